"""jobmgr queue drain, idle: wait until there is nothing left to do."""

import math

import click

from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import CommandError, about
from jobmgrd.cli.fsd import FSD
from jobmgrd.cli.lazy import examples
from jobmgrd.client import RpcTimeoutError

_TIMEOUT = click.option(
    "-t", "--timeout", type=FSD, default=math.inf, help="Give up after this time."
)


@click.command(epilog=examples("jobmgr queue drain --timeout=1h && echo all done"))
@_TIMEOUT
def drain(timeout: float) -> None:
    """Wait until no job is active, those included that are submitted meanwhile."""
    with connect() as client, about("queue drain"):
        try:
            client.rpc("job-manager.drain", timeout=timeout)
        except RpcTimeoutError as error:
            raise CommandError("queue drain: timeout") from error


@click.command(epilog=examples("jobmgr queue stop && jobmgr queue idle     let all that runs end"))
@_TIMEOUT
@click.option("--quiet", is_flag=True, help="Print the number of pending jobs only if there are.")
def idle(timeout: float, *, quiet: bool) -> None:
    """Wait until no job runs, and none waits in a queue that is started."""
    with connect() as client, about("queue idle"):
        try:
            pending = client.rpc("job-manager.idle", timeout=timeout)["pending"]
        except RpcTimeoutError as error:
            raise CommandError("queue idle: timeout") from error
    if pending or not quiet:
        click.echo(f"{pending} jobs")
