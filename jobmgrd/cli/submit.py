"""jobmgr submit: take jobs in, many at once if asked to, and print their ids."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import click

from jobmgrd.cli.connection import connect_async
from jobmgrd.cli.failure import complain
from jobmgrd.cli.ids import spelled
from jobmgrd.cli.job_request import JobOptions, job_options, requester
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.outcome import follow
from jobmgrd.cli.pipelined import each
from jobmgrd.client import Client
from protocol import idset
from protocol.errors import FormatError, RpcError
from protocol.job_manager import SubmitReply, SubmitRequest


class IdsetType(click.ParamType[tuple[int, ...]]):
    """A set of numbers: "1-10,20" (RFC 22)."""

    name = "IDSET"

    def convert(
        self,
        value: str | tuple[int, ...],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[int, ...]:
        """The numbers, ascending."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(idset.parse(value))
        except FormatError as error:
            self.fail(str(error), param, ctx)


@click.command(
    context_settings={"allow_interspersed_args": False},
    epilog=examples(
        "jobmgr submit sleep 60",
        "jobmgr submit -n4 -c2 -t 1h ./simulate --fast",
        "jobmgr submit --cc=1-100 --output=out.{cc} ./step.sh {cc}",
        "jobmgr submit --wait make test && echo passed",
        "jobmgr submit --setattr=exec.test.run_duration=1s true    (a simulated job)",
    ),
)
@job_options
@click.option(
    "--cc",
    type=IdsetType(),
    help="Submit one job for each id; {cc} in the command, --output, --error and --job-name is "
    "replaced by the id, and FLUX_JOB_CC is set to it.",
)
@click.option("--wait", is_flag=True, help="Wait for all jobs; exit with the largest exit code.")
@click.option("--quiet", is_flag=True, help="Print no ids.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def submit(
    ctx: click.Context,
    /,
    cc: tuple[int, ...] | None,
    command: tuple[str, ...],
    *,
    wait: bool,
    quiet: bool,
    **options: Any,  # noqa: ANN401 - the keywords of JobOptions
) -> None:
    """Submit a job that runs COMMAND, and print its id.

    The job is kept safe before its id is printed. It runs when there are resources for it; its
    output is kept with it (see: jobmgr job info JOBID guest.output), or goes to --output.
    """
    request = requester(JobOptions(**options), command)
    ctx.exit(asyncio.run(_submit(request, cc or (None,), wait=wait, quiet=quiet)))


async def _submit(
    request: Callable[[int | None], SubmitRequest],
    ccs: Sequence[int | None],
    *,
    wait: bool,
    quiet: bool,
) -> int:
    waiting: list[asyncio.Task[int]] = []
    async with connect_async() as client:

        async def one(cc: int | None) -> None:
            id_ = (await client.rpc("job-ingest.submit", request(cc), reply=SubmitReply)).id
            if not quiet:
                click.echo(spelled(id_))
            if wait:
                waiting.append(asyncio.create_task(_exit_code(client, id_)))

        refusals = [error for error in await each(one, ccs) if error is not None]
        for text in dict.fromkeys(map(str, refusals)):
            complain(f"submit: {text}")
        return max([1 if refusals else 0, *[await task for task in waiting]])


async def _exit_code(client: Client, id_: int) -> int:
    """The exit code of a job once it has ended; of one that cannot be watched, 1."""
    try:
        return (await follow(client, id_)).exit_code
    except (RpcError, OSError) as error:
        complain(f"wait {spelled(id_)}: {error}")
        return 1
