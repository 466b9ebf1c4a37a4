"""jobmgr queue drain, idle: wait until there is nothing left to do."""

import math

import click

from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import CommandError, about
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.words.fsd import FSD
from jobmgrd.client import RpcTimeoutError

_TIMEOUT = click.option(
    "-t", "--timeout", type=FSD, default=math.inf, help="Give up after this time."
)


_QUEUE = click.argument("queue", required=False, metavar="[QUEUE]")


@click.command(
    epilog=examples(
        "jobmgr queue drain --timeout=1h && echo all done",
        "jobmgr queue drain debug",
    )
)
@_TIMEOUT
@_QUEUE
def drain(queue: str | None, timeout: float) -> None:
    """Wait until no job is active, those included that are submitted meanwhile.

    With QUEUE, none of this queue and of the virtual queues that have it as their parent.
    """
    with connect() as client, about("queue drain"):
        try:
            client.rpc("job-manager.drain", {"name": queue}, timeout=timeout)
        except RpcTimeoutError as error:
            raise CommandError("queue drain: timeout") from error


@click.command(epilog=examples("jobmgr queue stop && jobmgr queue idle     let all that runs end"))
@_TIMEOUT
@click.option("--quiet", is_flag=True, help="Print the number of pending jobs only if there are.")
@_QUEUE
def idle(queue: str | None, timeout: float, *, quiet: bool) -> None:
    """Wait until no job runs, and none waits in a queue that is started; then count the pending.

    With QUEUE, none of this queue and of the virtual queues that have it as their parent.
    """
    with connect() as client, about("queue idle"):
        try:
            pending = client.rpc("job-manager.idle", {"name": queue}, timeout=timeout)["pending"]
        except RpcTimeoutError as error:
            raise CommandError("queue idle: timeout") from error
    if pending or not quiet:
        click.echo(f"{pending} jobs")
