"""jobmgr job pin, unpin: keep jobs whatever the limits say, and let them go again."""

import json

import click

from jobmgrd.cli import each_job, text_table
from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import about
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.words.ids import JOBID, spelled
from jobmgrd.cli.words.users import username
from jobmgrd.cli.words.when import FUTURE, iso
from protocol.retention import PinListReply


@click.command(
    epilog=examples(
        'jobmgr job pin ƒ5zHnEx --reason "evidence for the audit"',
        "jobmgr job pin ƒ5zHnEx ƒ5zJ3Xh --reason demo --until 30d",
        "jobmgr job pin --list",
    )
)
@click.option("--reason", metavar="TEXT", help="Why; it is shown to whoever wonders later.")
@click.option(
    "--until",
    type=FUTURE,
    metavar="TIME|FSD",
    help="End the pin then, or after this time  [default: keep until unpinned]",
)
@click.option("--list", "listing", is_flag=True, help="Print all pins.")
@click.option("--json", "as_json", is_flag=True, help="With --list: print them as JSON.")
@click.argument("ids", nargs=-1, type=JOBID, metavar="[JOBID]...")
def pin(
    ids: tuple[int, ...],
    reason: str | None,
    until: float | None,
    *,
    listing: bool,
    as_json: bool,
) -> None:
    """Keep jobs, active or inactive, whatever the limits and purges by limit say.

    Pinned jobs count for no limit. They can still be purged by id.
    """
    if listing == bool(ids):
        raise click.UsageError("give either JOBIDs or --list")
    if listing:
        _list(as_json=as_json)
        return
    if not reason:
        raise click.UsageError("say why with --reason")
    each_job.ask("pin", "job-manager.pin", ids, {"reason": reason, "until": until or 0.0})


@click.command(epilog=examples("jobmgr job unpin ƒ5zHnEx ƒ5zJ3Xh"))
@click.argument("ids", nargs=-1, required=True, type=JOBID, metavar="JOBID...")
def unpin(ids: tuple[int, ...]) -> None:
    """Let pinned jobs go when the limits say so."""
    each_job.ask("unpin", "job-manager.unpin", ids, {})


def _list(*, as_json: bool) -> None:
    with connect() as client, about("pin --list"):
        if as_json:
            click.echo(json.dumps(client.rpc("job-manager.pin-list")))
            return
        pins = client.rpc("job-manager.pin-list", reply=PinListReply).pins
    rows = [
        (spelled(pin.id), username(pin.userid), iso(pin.t), iso(pin.until), pin.reason)
        for pin in pins
    ]
    for line in text_table.lines(("JOBID", "BY", "SINCE", "UNTIL", "REASON"), rows):
        click.echo(line)
