"""jobmgr stats: counters of a service, to read, to parse, or one alone."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from jobmgrd.cli import totals
from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import about
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.words.json_path import lookup

SERVICE: Final = "job-manager"


@click.command(
    epilog=examples(
        "jobmgr stats",
        "jobmgr stats --parse inactive_jobs",
        "jobmgr stats --parse purge.total",
        "jobmgr stats heartbeat --json",
        "jobmgr stats --totals --days 30        jobs that ended, by queue, by day, by result",
    )
)
@click.option("--json", "as_json", is_flag=True, help="Print all of it as one JSON object.")
@click.option("--parse", metavar="KEY.PATH", help="Print the value of one key.")
@click.option(
    "--totals", "ended", is_flag=True, help="Show how many jobs ever ended; purges change nothing."
)
@click.option(
    "--days",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"With --totals: by day, the last N UTC days  [default: {totals.DAYS}; all in JSON]",
)
@click.argument("service", default=SERVICE, metavar="[SERVICE]")
def stats(service: str, parse: str | None, days: int | None, *, as_json: bool, ended: bool) -> None:
    """Show the counters of a service, by default job-manager."""
    if ended:
        if parse or service != SERVICE:
            raise click.UsageError("--totals takes neither --parse nor a service")
        _totals(days, as_json=as_json)
        return
    if days:
        raise click.UsageError("--days needs --totals")
    if parse and as_json:
        raise click.UsageError("give either --json or --parse")
    with connect() as client:
        reply = client.rpc(f"{service}.stats-get")
    if as_json:
        click.echo(json.dumps(reply, indent=2))
    elif parse:
        click.echo(json.dumps(lookup(reply, parse)))
    else:
        rows = list(_flat(reply))
        width = max((len(key) for key, _ in rows), default=0)
        for key, value in rows:
            click.echo(f"{key.ljust(width)}  {json.dumps(value)}")


def _totals(days: int | None, *, as_json: bool) -> None:
    with connect() as client, about("stats --totals"):
        found = client.rpc("job-manager.totals")["totals"]
    if as_json:
        click.echo(json.dumps({"totals": totals.recent(found, days) if days else found}))
        return
    for line in totals.lines(found, days or totals.DAYS):
        click.echo(line)


def _flat(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with the key that --parse takes for it."""
    for key, item in value.items():
        if isinstance(item, Mapping) and item:
            yield from _flat(item, f"{above}{key}.")
        else:
            yield above + key, item
