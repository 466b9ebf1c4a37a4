"""jobmgr job wait: wait until jobs have ended, and exit as the worst of them."""

import click

from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import complain
from jobmgrd.cli.ids import JOBID, spelled
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.outcome import wait as wait_for
from protocol.errors import RpcError


@click.command(
    epilog=examples(
        "jobmgr job wait ƒ5zHnEx && echo it worked",
        "jobmgr job wait -v $(jobmgr submit --cc=1-10 ./step.sh {cc})",
    )
)
@click.option("-v", "--verbose", is_flag=True, help="Print each job's exit code.")
@click.argument("ids", nargs=-1, required=True, type=JOBID, metavar="JOBID...")
@click.pass_context
def wait(ctx: click.Context, ids: tuple[int, ...], *, verbose: bool) -> None:
    """Wait until jobs have ended; exit with the largest of their exit codes.

    A job's exit code is 128 + N if signal N ended it, and 1 if it never ran. Exceptions are shown.
    """
    codes = []
    with connect() as client:
        for id_ in ids:
            try:
                outcome = wait_for(client, id_)
            except RpcError as error:
                complain(f"wait {spelled(id_)}: {error}")
                codes.append(1)
                continue
            for line in outcome.exceptions:
                complain(line)
            if verbose:
                click.echo(f"{spelled(id_)}: exit code {outcome.exit_code}")
            codes.append(outcome.exit_code)
    ctx.exit(max(codes))
