"""Many submits at once: what is waited for, and what is shown of each."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import click

from jobmgrd.cli.attached.output import OutputView, Sink, Sinks, show_output, write
from jobmgrd.cli.connection import connect_async
from jobmgrd.cli.failure import complain
from jobmgrd.cli.job.outcome import until
from jobmgrd.cli.pipelined import each
from jobmgrd.cli.progress import progress
from jobmgrd.cli.submission.copies import Submit
from jobmgrd.cli.submission.log import Logs
from jobmgrd.cli.words.ids import spelled
from jobmgrd.client import Client
from protocol.errors import RpcError
from protocol.job_manager import SubmitReply


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

    def run(self, jobs: Sequence[Submit]) -> int:
        """Submit them, and wait. Returns the largest exit code."""
        return asyncio.run(self._submit(jobs))

    async def _submit(self, jobs: Sequence[Submit]) -> int:
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
