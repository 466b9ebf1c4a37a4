"""jobmgr job orphans: records that the daemon could not read back, and put aside."""

import json

import click

from jobmgrd.cli import text_table
from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import about
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.words.ids import spelled
from jobmgrd.cli.words.when import iso
from protocol.retention import OrphansReply


@click.command(
    epilog=examples(
        "jobmgr job orphans",
        "jobmgr job orphans --json | jq '.orphans[].id'",
        "jobmgr job purge --force ƒ5zHnEx             remove one of them",
    )
)
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def orphans(*, as_json: bool) -> None:
    """List damaged records: what became of these jobs is unknown, so they are kept aside."""
    with connect() as client, about("orphans"):
        if as_json:
            click.echo(json.dumps(client.rpc("job-manager.orphans")))
            return
        found = client.rpc("job-manager.orphans", reply=OrphansReply).orphans
    rows = [(spelled(orphan.id), iso(orphan.t), orphan.reason) for orphan in found]
    for line in text_table.lines(("JOBID", "SINCE", "REASON"), rows):
        click.echo(line)
