"""jobmgr jobs: a table of jobs, or all that is known of them as JSON."""

import json
import time
from typing import Final

import click

from jobmgrd.archive.reader import Filter
from jobmgrd.cli import archived, job_table
from jobmgrd.cli.connection import connect
from jobmgrd.cli.lazy import examples
from protocol.job import State
from protocol.job_list import ListReply, ListRequest

COUNT: Final = 1000
"""Jobs listed unless --count says otherwise, as flux-jobs has it."""


@click.command(
    epilog=examples(
        "jobmgr jobs                  pending and running jobs",
        "jobmgr jobs -a -n 20         the same, then ended ones, the last first; 20 in all",
        "jobmgr jobs --archive        purged ones, the last to end first",
        "jobmgr jobs -a --json | jq '.jobs[] | select(.result == 2) | .id'",
    )
)
@click.option("-a", "--all", "everything", is_flag=True, help="List ended jobs, too.")
@click.option(
    "-n", "--count", type=click.IntRange(min=0), default=COUNT, help=f"[default: {COUNT}; 0: all]"
)
@click.option("--json", "as_json", is_flag=True, help="Print everything known, as one JSON object.")
@click.option("--no-header", is_flag=True, help="Leave out the heading.")
@archived.archive_flag
def jobs(
    count: int, *, everything: bool, as_json: bool, no_header: bool, from_archive: bool
) -> None:
    """List jobs: the pending by priority, then the running, then the ended.

    ST is the status: D depends on another job, P waits for a priority, S waits for resources,
    R runs, C cleans up; CD completed, F failed, CA canceled, TO timed out.

    TIME is how long a job ran, or for a pending one its time limit.
    """
    if from_archive:
        with archived.reader() as archive:
            purged = archive.newest(Filter(), count or None)
            archived.print_jobs(purged, as_json=as_json, no_header=no_header)
        return
    if as_json:
        click.echo(json.dumps({"jobs": _ask(count, ("all",), everything=everything).jobs}))
        return
    found = _ask(count, job_table.ATTRS, everything=everything).jobs
    if not no_header:
        click.secho(job_table.heading(), bold=True)
    click.echo("".join(f"{line}\n" for line in job_table.lines(found, time.time())), nl=False)


def _ask(count: int, attrs: tuple[str, ...], *, everything: bool) -> ListReply:
    states = State.ACTIVE | State.INACTIVE if everything else State.ACTIVE
    with connect() as client:
        return client.rpc("job-list.list", ListRequest(count, attrs, int(states)), reply=ListReply)
