"""Many submits at once, and what is awaited of their jobs and said of each."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from jobmgrd.cli.attached.output import OutputView, Sink, Sinks, show_output, write
from jobmgrd.cli.connection import connect_async
from jobmgrd.cli.failure import complain
from jobmgrd.cli.job.outcome import until
from jobmgrd.cli.pipelined import each
from jobmgrd.cli.progress import progress
from jobmgrd.cli.submission.log import Log
from jobmgrd.cli.words.ids import spelled
from jobmgrd.client import Client
from protocol.errors import RpcError
from protocol.job_manager import SubmitReply, SubmitRequest


class Awaiting(NamedTuple):
    """What is waited for after a submit: the end, an event, and the output that is shown."""

    end: bool
    event: str | None
    view: OutputView | None

    def __bool__(self) -> bool:
        return self.end or self.event is not None


class Bulk(NamedTuple):
    """How jobs are submitted, many at once, and what is waited for and said."""

    request: Callable[[int | None], SubmitRequest]
    awaiting: Awaiting
    bar: bool
    jps: bool
    quiet: bool

    def run(self, ccs: Sequence[int | None], logs: Log) -> int:
        """Submit a job for each id, and wait. Returns the largest exit code."""
        return asyncio.run(self._submit(ccs, logs))

    async def _submit(self, ccs: Sequence[int | None], logs: Log) -> int:
        waiting: list[asyncio.Task[int]] = []
        label = "waiting for jobs" if self.awaiting else "submitting jobs"
        rate = "job/s" if self.jps else ""
        refused: dict[tuple[Sink, str], None] = {}  # each is said once
        async with connect_async() as client:
            with progress(label, lambda: len(ccs), hidden=not self.bar, rate=rate) as advance:

                async def wait(id_: int, sinks: Sinks) -> int:
                    code = await _exit_code(client, id_, self.awaiting, sinks)
                    advance(1)
                    return code

                async def one(cc: int | None) -> None:
                    sinks, job = logs.of(cc), self.request(cc)
                    try:
                        id_ = (await client.rpc("job-ingest.submit", job, reply=SubmitReply)).id
                    except RpcError as error:
                        refused[sinks.err, f"submit: {error}"] = None
                        advance(1)
                        return
                    if not self.quiet:
                        write(sinks.out, f"{spelled(id_)}\n".encode())
                    if self.awaiting:
                        waiting.append(asyncio.create_task(wait(id_, sinks)))
                    else:
                        advance(1)

                await each(one, ccs)
                for sink, text in refused:
                    _complain(sink, text)
                return max([1 if refused else 0, *[await task for task in waiting]])


def _complain(sink: Sink, text: str) -> None:
    if sink is sys.stderr.buffer:
        complain(text)
    else:
        write(sink, f"jobmgr: {text}\n".encode())


async def _exit_code(client: Client, id_: int, awaiting: Awaiting, sinks: Sinks) -> int:
    """The exit code of a job once it has come so far; of one that cannot be watched, 1."""
    try:
        if awaiting.view is None:
            return await until(client, id_, awaiting.event)
        code, _ = await asyncio.gather(
            until(client, id_, awaiting.event), show_output(client, id_, awaiting.view, sinks)
        )
    except BrokenPipeError:
        raise
    except (RpcError, OSError) as error:
        _complain(sinks.err, f"wait {spelled(id_)}: {error}")
        return 1
    return code
