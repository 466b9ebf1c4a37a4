"""jobmgr job wait: wait until jobs have ended, and exit as the worst of them."""

import errno
import math
from typing import Final

import click

from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import CommandError, complain
from jobmgrd.cli.job.outcome import wait as wait_for
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.words.ids import JOBID, spelled
from jobmgrd.client import BlockingClient
from protocol.errors import RpcError
from protocol.job_manager import WaitReply

ANY: Final = 2**64 - 1
NOTHING_TO_WAIT_FOR: Final = 2
"""The exit code if there is no waitable job, as flux-job(1) has it."""


@click.command(
    epilog=examples(
        "jobmgr job wait ƒ5zHnEx && echo it worked",
        "jobmgr job wait -v $(jobmgr submit --cc=1-10 ./step.sh {cc})",
        "jobmgr submit --flags=waitable --cc=1-10 ./step.sh {cc}",
        "jobmgr job wait                              for the next of them that ends",
        "jobmgr job wait --all                        for all of them",
    )
)
@click.option("-a", "--all", "everything", is_flag=True, help="Wait for all waitable jobs.")
@click.option("-v", "--verbose", is_flag=True, help="Print how each job ended, not only failures.")
@click.argument("ids", nargs=-1, type=JOBID, metavar="[JOBID]...")
@click.pass_context
def wait(ctx: click.Context, ids: tuple[int, ...], *, everything: bool, verbose: bool) -> None:
    """Wait until jobs have ended; exit with the largest of their exit codes.

    A job's exit code is 128 + N if signal N ended it, and 1 if it never ran. Exceptions are shown.

    Without JOBID, wait for a waitable job (submitted with --flags=waitable) and print its id: each
    is told once. The exit code is 0, or 1 if the job failed, or 2 if there is none to wait for.
    """
    if ids and everything:
        raise click.UsageError("give either JOBIDs or --all")
    with connect() as client:
        if ids:
            ctx.exit(max(_exit_code(client, id_, verbose=verbose) for id_ in ids))
        ctx.exit(_all(client, verbose=verbose) if everything else _next(client))


def _exit_code(client: BlockingClient, id_: int, *, verbose: bool) -> int:
    try:
        outcome = wait_for(client, id_)
    except RpcError as error:
        complain(f"wait {spelled(id_)}: {error}")
        return 1
    for line in outcome.exceptions:
        complain(line)
    if verbose:
        click.echo(f"{spelled(id_)}: exit code {outcome.exit_code}")
    return outcome.exit_code


def _next(client: BlockingClient) -> int:
    """Wait for the next waitable job that ends."""
    reply = _wait_for_any(client)
    if reply is None:
        complain("wait: there are no more waitable jobs")
        return NOTHING_TO_WAIT_FOR
    click.echo(spelled(reply.id))
    if not reply.success:
        raise CommandError(reply.errstr)
    return 0


def _all(client: BlockingClient, *, verbose: bool) -> int:
    """Wait until no waitable job is left."""
    code = 0
    while (reply := _wait_for_any(client)) is not None:
        if not reply.success:
            complain(f"{spelled(reply.id)}: {reply.errstr}")
            code = 1
        elif verbose:
            click.echo(f"{spelled(reply.id)}: job completed successfully")
    return code


def _wait_for_any(client: BlockingClient) -> WaitReply | None:
    """How the next waitable job ended; None if there is no more."""
    try:
        return client.rpc("job-manager.wait", {"id": ANY}, reply=WaitReply, timeout=math.inf)
    except RpcError as error:
        if error.errnum != errno.ECHILD:
            raise
        return None
