"""Many submits at once: what is waited for, what is shown of it, and the options that say so."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any, Final, NamedTuple, TypeVar

import click

from jobmgrd.cli.attached.output import OutputView, Sink, Sinks, show_output, write
from jobmgrd.cli.connection import connect_async
from jobmgrd.cli.failure import complain
from jobmgrd.cli.job.outcome import until
from jobmgrd.cli.pipelined import each
from jobmgrd.cli.progress import progress
from jobmgrd.cli.submission.log import Logs
from jobmgrd.cli.submission.request import JobOptions, requester
from jobmgrd.cli.words.ids import spelled
from jobmgrd.client import Client
from protocol import idset
from protocol.errors import FormatError, RpcError
from protocol.job_manager import SubmitReply, SubmitRequest

F = TypeVar("F", bound=Callable[..., Any])


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


_OPTIONS: Final = (
    click.option(
        "--cc",
        type=IdsetType(),
        help="Submit one job for each id; {cc} in the command, --input, --output, --error, "
        "--job-name and --log is replaced by the id, and FLUX_JOB_CC is set to it.",
    ),
    click.option("--bcc", type=IdsetType(), help="As --cc, without FLUX_JOB_CC."),
    click.option(
        "--wait", is_flag=True, help="Wait for all jobs; exit with the largest exit code."
    ),
    click.option("--wait-event", metavar="NAME", help="Wait until all jobs have had this event."),
    click.option("--watch", is_flag=True, help="Wait for all jobs, and show their output."),
    click.option("--progress", "bar", is_flag=True, help="Show a bar on a terminal."),
    click.option("--jps", is_flag=True, help="With --progress, show how many jobs a second."),
    click.option("--log", metavar="FILE", help="Write ids, output and errors to this file."),
    click.option("--log-stderr", metavar="FILE", help="Write errors and stderr to this file."),
    click.option("--quiet", is_flag=True, help="Print no ids."),
)


def bulk_options(function: F) -> F:
    """Give a command these options; it gets them as keywords, for `Bulk.of` and `submits`."""
    return reduce(lambda decorated, option: option(decorated), reversed(_OPTIONS), function)


class Submit(NamedTuple):
    """A job to be submitted, and where what there is to say of it goes."""

    cc: int | None
    request: Callable[[int | None], SubmitRequest]
    log: str | None
    log_stderr: str | None


def submits(command: Sequence[str], options: Mapping[str, Any]) -> Iterator[Submit]:
    """The jobs of one command line: as many as --cc or --bcc has ids.

    Raises:
        CommandError, UsageError: the options make no job.
    """
    if options["cc"] is not None and options["bcc"] is not None:
        raise click.UsageError("Give one of --cc and --bcc.")
    given = JobOptions.of(options)
    given = given._replace(input=given.input or os.devnull)
    request = requester(given, command, told=options["bcc"] is None)
    for cc in options["cc"] or options["bcc"] or (None,):
        yield Submit(cc, request, options["log"], options["log_stderr"])


class Bulk(NamedTuple):
    """What is waited for after a submit, the end, an event or output, and what is said."""

    end: bool
    event: str | None
    view: OutputView | None
    bar: bool
    jps: bool
    quiet: bool

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "Bulk":
        """The keywords that a command was given, as one value.

        Raises:
            UsageError: they do not go together.
        """
        if options["jps"] and not options["bar"]:
            raise click.UsageError("--jps goes with --progress.")
        view = OutputView(label=options["label_io"]) if options["watch"] else None
        end = options["wait"] or options["watch"]
        names = ("bar", "jps", "quiet")
        return cls(end, options["wait_event"], view, **{name: options[name] for name in names})

    async def submit(self, jobs: Sequence[Submit]) -> int:
        """Submit them, and wait. Returns the largest exit code."""
        logs = Logs()
        for job in jobs:  # files are there before any job is
            logs.of(job.log, job.log_stderr, job.cc)
        waiting: list[asyncio.Task[int]] = []
        awaiting = self.end or self.event is not None
        label = "waiting for jobs" if awaiting else "submitting jobs"
        rate = "job/s" if self.jps else ""
        refused: dict[tuple[Sink, str], None] = {}  # each is said once
        async with connect_async() as client:
            with progress(label, lambda: len(jobs), hidden=not self.bar, rate=rate) as advance:

                async def wait(id_: int, sinks: Sinks) -> int:
                    code = await self._exit_code(client, id_, sinks)
                    advance(1)
                    return code

                async def one(job: Submit) -> None:
                    sinks = logs.of(job.log, job.log_stderr, job.cc)
                    request = job.request(job.cc)
                    try:
                        id_ = (await client.rpc("job-ingest.submit", request, reply=SubmitReply)).id
                    except RpcError as error:
                        refused[sinks.err, f"submit: {error}"] = None
                        advance(1)
                        return
                    if not self.quiet:
                        write(sinks.out, f"{spelled(id_)}\n".encode())
                    if awaiting:
                        waiting.append(asyncio.create_task(wait(id_, sinks)))
                    else:
                        advance(1)

                await each(one, jobs)
                for sink, text in refused:
                    _complain(sink, text)
                return max([1 if refused else 0, *[await task for task in waiting]])

    async def _exit_code(self, client: Client, id_: int, sinks: Sinks) -> int:
        """The exit code of a job once it has come so far; of one that cannot be watched, 1."""
        try:
            if self.view is None:
                return await until(client, id_, self.event)
            code, _ = await asyncio.gather(
                until(client, id_, self.event), show_output(client, id_, self.view, sinks)
            )
        except BrokenPipeError:
            raise
        except (RpcError, OSError) as error:
            _complain(sinks.err, f"wait {spelled(id_)}: {error}")
            return 1
        return code


def _complain(sink: Sink, text: str) -> None:
    if sink is sys.stderr.buffer:
        complain(text)
    else:
        write(sink, f"jobmgr: {text}\n".encode())
