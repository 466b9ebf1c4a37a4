"""jobmgr submit: take jobs in, many at once if asked to, and print their ids."""

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import click

from jobmgrd.cli.attached.output import OutputView, show_output
from jobmgrd.cli.connection import connect_async
from jobmgrd.cli.failure import complain
from jobmgrd.cli.job.outcome import until
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.pipelined import each
from jobmgrd.cli.progress import progress
from jobmgrd.cli.submission.request import JobOptions, job_options, requester
from jobmgrd.cli.words.ids import spelled
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
        "jobmgr submit --cc=1-1000 --wait --progress ./step.sh {cc}",
        "jobmgr submit --watch -l -n4 ./simulate      its output, as run shows it",
        "jobmgr submit --setattr=exec.test.run_duration=1s true    (a simulated job)",
    ),
)
@job_options
@click.option(
    "--cc",
    type=IdsetType(),
    help="Submit one job for each id; {cc} in the command, --input, --output, --error and "
    "--job-name is replaced by the id, and FLUX_JOB_CC is set to it.",
)
@click.option("--wait", is_flag=True, help="Wait for all jobs; exit with the largest exit code.")
@click.option("--wait-event", metavar="NAME", help="Wait until all jobs have had this event.")
@click.option("--watch", is_flag=True, help="Wait for all jobs, and show their output.")
@click.option("--progress", "bar", is_flag=True, help="Show a bar on a terminal.")
@click.option("--quiet", is_flag=True, help="Print no ids.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def submit(
    ctx: click.Context,
    /,
    cc: tuple[int, ...] | None,
    wait_event: str | None,
    command: tuple[str, ...],
    *,
    wait: bool,
    watch: bool,
    bar: bool,
    quiet: bool,
    **options: Any,  # noqa: ANN401 - the keywords of JobOptions
) -> None:
    """Submit a job that runs COMMAND, and print its id.

    The job is kept safe before its id is printed. It runs when there are resources for it, with
    nothing to read unless --input names a file; its output is kept with it (see: jobmgr attach), or
    goes to --output.
    """
    given = JobOptions.of(options)
    request = requester(given._replace(input=given.input or os.devnull), command)
    view = OutputView(label=given.label_io) if watch else None
    awaiting = Awaiting(wait or watch, wait_event, view)
    ctx.exit(asyncio.run(_submit(request, cc or (None,), awaiting, bar=bar, quiet=quiet)))


class Awaiting(NamedTuple):
    """What is waited for after a submit: the end, an event, and the output that is shown."""

    end: bool
    event: str | None
    view: OutputView | None

    def __bool__(self) -> bool:
        return self.end or self.event is not None


async def _submit(
    request: Callable[[int | None], SubmitRequest],
    ccs: Sequence[int | None],
    awaiting: Awaiting,
    *,
    bar: bool,
    quiet: bool,
) -> int:
    waiting: list[asyncio.Task[int]] = []
    label = "waiting for jobs" if awaiting else "submitting jobs"
    async with connect_async() as client:
        with progress(label, lambda: len(ccs), hidden=not bar) as advance:

            async def wait(id_: int) -> int:
                code = await _exit_code(client, id_, awaiting)
                advance(1)
                return code

            async def one(cc: int | None) -> None:
                try:
                    id_ = (await client.rpc("job-ingest.submit", request(cc), reply=SubmitReply)).id
                except RpcError:
                    advance(1)
                    raise
                if not quiet:
                    click.echo(spelled(id_))
                if awaiting:
                    waiting.append(asyncio.create_task(wait(id_)))
                else:
                    advance(1)

            refusals = [error for error in await each(one, ccs) if error is not None]
            for text in dict.fromkeys(map(str, refusals)):
                complain(f"submit: {text}")
            return max([1 if refusals else 0, *[await task for task in waiting]])


async def _exit_code(client: Client, id_: int, awaiting: Awaiting) -> int:
    """The exit code of a job once it has come so far; of one that cannot be watched, 1."""
    try:
        if awaiting.view is None:
            return await until(client, id_, awaiting.event)
        code, _ = await asyncio.gather(
            until(client, id_, awaiting.event), show_output(client, id_, awaiting.view)
        )
    except BrokenPipeError:
        raise
    except (RpcError, OSError) as error:
        complain(f"wait {spelled(id_)}: {error}")
        return 1
    return code
