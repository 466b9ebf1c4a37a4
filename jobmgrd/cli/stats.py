"""jobmgr stats: counters of a service, to read, to parse, or one alone."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from jobmgrd.cli.connection import connect
from jobmgrd.cli.json_path import lookup
from jobmgrd.cli.lazy import examples


@click.command(
    epilog=examples(
        "jobmgr stats",
        "jobmgr stats --parse inactive_jobs",
        "jobmgr stats --parse purge.total",
        "jobmgr stats heartbeat --json",
    )
)
@click.option("--json", "as_json", is_flag=True, help="Print all of it as one JSON object.")
@click.option("--parse", metavar="KEY.PATH", help="Print the value of one key.")
@click.argument("service", default="job-manager", metavar="[SERVICE]")
def stats(service: str, parse: str | None, *, as_json: bool) -> None:
    """Show the counters of a service, by default job-manager."""
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


def _flat(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with the key that --parse takes for it."""
    for key, item in value.items():
        if isinstance(item, Mapping) and item:
            yield from _flat(item, f"{above}{key}.")
        else:
            yield above + key, item
