"""jobmgr cancel: a fatal exception of type cancel for some jobs, or for all of one's own."""

import os
from collections.abc import Sequence

import click

from jobmgrd.cli import each_job
from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import complain
from jobmgrd.cli.ids import JOBID, spelled
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.listed import listed
from protocol.job import State


@click.command(
    epilog=examples(
        "jobmgr cancel ƒ5zHnEx",
        'jobmgr cancel -m "wrong input" ƒ5zHnEx ƒ5zJ3Xh',
        "jobmgr cancel --all",
    )
)
@click.option("-m", "--message", metavar="NOTE", default="", help="Say why; kept with the job.")
@click.option("--all", "everything", is_flag=True, help="Cancel all your active jobs.")
@click.argument("ids", nargs=-1, type=JOBID, metavar="[JOBID]...")
@click.pass_context
def cancel(ctx: click.Context, ids: tuple[int, ...], message: str, *, everything: bool) -> None:
    """Cancel jobs: the pending never run, the running are ended by SIGTERM, then SIGKILL."""
    if bool(ids) == everything:
        raise click.UsageError("give either JOBIDs or --all")
    exception = {"type": "cancel", "severity": 0, "note": message}
    if not everything:
        each_job.ask("cancel", "job-manager.raise", ids, exception)
        return
    active = _active_jobs()
    refused = each_job.refusals("job-manager.raise", active, exception)
    # A job that ended by itself meanwhile needs no cancel, so it is not a failure.
    ended = refused.keys() - set(_active_jobs()) if refused else set()
    failed = {id_: error for id_, error in refused.items() if id_ not in ended}
    for id_, error in failed.items():
        complain(f"cancel {spelled(id_)}: {error}")
    count = len(active) - len(refused)
    click.echo(f"canceled {count} job{'' if count == 1 else 's'}")
    ctx.exit(1 if failed else 0)


def _active_jobs() -> Sequence[int]:
    """The ids of the caller's active jobs."""
    mine = {"and": [{"userid": [os.getuid()]}, {"states": [int(State.ACTIVE)]}]}
    with connect() as client:
        return [job["id"] for job in listed(client, mine)]
