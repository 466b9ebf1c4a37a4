"""jobmgr job raiseall, killall: what may be done to all active jobs of a user."""

from collections.abc import Sequence

import click

from jobmgrd.cli import all_jobs
from jobmgrd.cli.job.change import signal_option
from jobmgrd.cli.lazy import examples
from protocol.job import State


@click.command(
    epilog=examples(
        'jobmgr job raiseall -S run note "power saving at noon"      see how many jobs run',
        'jobmgr job raiseall -f -S run note "power saving at noon"   remark it on them',
        "jobmgr job raiseall -f -s 0 -u all cancel                   end everything",
    )
)
@click.option(
    "-s",
    "--severity",
    type=click.IntRange(0, 7),
    metavar="N",
    default=7,
    help="0 ends the job  [default: 7]",
)
@all_jobs.user_option
@all_jobs.states_option
@all_jobs.force_option
@click.argument("kind", metavar="TYPE")
@click.argument("note", nargs=-1, metavar="[NOTE]...")
@click.pass_context
def raiseall(
    ctx: click.Context,
    kind: str,
    note: Sequence[str],
    severity: int,
    userid: int | None,
    states: tuple[State, ...],
    *,
    force: bool,
) -> None:
    """Raise an exception on all jobs that match (RFC 21); without --force, count them."""
    exception = {"type": kind, "severity": severity, "note": " ".join(note)}
    reply = all_jobs.raiseall(userid, states, exception, dry_run=not force)
    click.echo(all_jobs.done("raised exception on", reply) if force else all_jobs.matched(reply))
    ctx.exit(1 if reply.errors else 0)


@click.command(
    epilog=examples(
        "jobmgr job killall -s USR1          see how many jobs run",
        "jobmgr job killall -f -s USR1       send it to all of them",
    )
)
@signal_option
@all_jobs.user_option
@all_jobs.force_option
def killall(signum: int, userid: int | None, *, force: bool) -> None:
    """Send a signal to all processes of all running jobs; without --force, count the jobs."""
    reply = all_jobs.ask("job-manager.killall", userid, {"signum": signum}, dry_run=not force)
    click.echo(all_jobs.done("signaled", reply) if force else all_jobs.matched(reply))
