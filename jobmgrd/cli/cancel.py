"""jobmgr cancel: a fatal exception of type cancel for some jobs, or for all that match."""

import click

from jobmgrd.cli import all_jobs, each_job
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.words.ids import JOBID
from protocol.job import State


@click.command(
    epilog=examples(
        "jobmgr cancel ƒ5zHnEx",
        'jobmgr cancel -m "wrong input" ƒ5zHnEx ƒ5zJ3Xh',
        "jobmgr cancel --all                  all your active jobs",
        "jobmgr cancel -S pending             those that have not started",
        "jobmgr cancel -n -u all              how many that would be",
    )
)
@click.option("-m", "--message", metavar="NOTE", default="", help="Say why; kept with the job.")
@click.option("-a", "--all", "everything", is_flag=True, help="Cancel all your active jobs.")
@all_jobs.user_option
@all_jobs.states_option
@click.option("-n", "--dry-run", is_flag=True, help="Only say how many jobs would be canceled.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing if no job matches.")
@click.argument("ids", nargs=-1, type=JOBID, metavar="[JOBID]...")
@click.pass_context
def cancel(
    ctx: click.Context,
    ids: tuple[int, ...],
    message: str,
    userid: int | None,
    states: tuple[State, ...],
    *,
    everything: bool,
    dry_run: bool,
    quiet: bool,
) -> None:
    """Cancel jobs: the pending never run, the running are ended by SIGTERM, then SIGKILL.

    --user and --states imply --all.
    """
    everything = everything or userid is not None or bool(states)
    if bool(ids) == everything:
        raise click.UsageError("give either JOBIDs, or --all, --user or --states")
    exception = {"type": "cancel", "severity": 0, "note": message}
    if not everything:
        if dry_run:
            click.echo(f"would cancel {all_jobs.jobs(len(ids))}")
        else:
            each_job.ask("cancel", "job-manager.raise", ids, exception)
        return
    reply = all_jobs.raiseall(userid, states, exception, dry_run=dry_run)
    if reply.count or not quiet:
        verb = "would cancel" if dry_run else "canceled"
        click.echo(all_jobs.done(verb, reply))
    ctx.exit(1 if reply.errors else 0)
