"""job-info.eventlog-watch: an eventlog of one job, as it is and as it grows (RFC 41).

    path                   ends with
    eventlog               clean
    guest.exec.eventlog    done
    guest.output           eof of every stream of every task
    guest.input            the job

or, whatever the path, when the job is inactive. A new line is encoded once in each format,
however many watch it. A watcher that stops reading is given up by its transport.

Where this differs from flux-core: a job that wrote nothing has an empty guest.output, whose watch
ends without an error; flux-core answers ENOENT for jobs that its test execution simulated.
A job that was written nothing has no guest.input.
"""

import asyncio
import errno
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct

from jobmgrd.call import Stream
from jobmgrd.commits import Committed
from jobmgrd.engine import Engine
from jobmgrd.jobs.exec_eventlog import derive
from jobmgrd.jobs.job import Job
from jobmgrd.router import Router, cancel_route
from jobmgrd.routes import Route, Scope
from jobmgrd.services.job_record import find, value_not_found, visible
from jobmgrd.store import rows
from jobmgrd.store.port import ActiveRow, InactiveRow, Store
from protocol import eventlog, payload
from protocol.errors import RpcError
from protocol.job_info import (
    WATCH_INITIAL_SENTINEL,
    WATCH_WAITCREATE,
    WatchReply,
    WatchRequest,
)
from protocol.payload import Format

TOPIC: Final = "job-info.eventlog-watch"
PAGE: Final = 256
"""Lines of kept output sent between two turns of the loop."""

MAIN: Final = "eventlog"
EXEC: Final = "guest.exec.eventlog"
OUTPUT: Final = "guest.output"
INPUT: Final = "guest.input"
_Read: TypeAlias = Callable[[int], Awaitable[bytes]]
_DONE: Final = b'"name":"done"'
_EOF: Final = b'"eof":true'
"""In a line of output this is the key: quotes within a text are escaped."""


class EventlogWatch:
    """The watchers, and what each is sent."""

    def __init__(self, engine: Engine, store: Store, router: Router) -> None:
        self._engine = engine
        self._store = store
        self._router = router
        self._watches: dict[int, list[_Watch]] = {}

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route(TOPIC, WatchRequest, self.watch, streaming=True, scope=Scope.OWN),
            cancel_route(TOPIC, self._router),
        ]

    def watch(self, stream: Stream, request: WatchRequest) -> Coroutine[Any, Any, None] | None:
        """Send what an eventlog holds, then what is added, until it is complete."""
        if request.flags & ~(WATCH_WAITCREATE | WATCH_INITIAL_SENTINEL):
            raise RpcError(errno.EPROTO, "eventlog-watch request rejected with invalid flag")
        job = visible(self._engine, request.id, stream.cred)
        if job is None:
            return self._send_kept(stream, request)
        exists = request.path in (MAIN, EXEC, OUTPUT) or (request.path == INPUT and job.input_lines)
        if not exists and not request.flags & WATCH_WAITCREATE:
            raise value_not_found(request.path)
        watch = _Watch(stream, request)
        self._watches.setdefault(job.id, []).append(watch)
        stream.on_close = lambda: self._forget(job.id, watch)
        if request.path == OUTPUT:
            return self._catch_up(watch, stream, self._store.output, job.id, job.output_lines)
        if request.path == INPUT:
            return self._catch_up(watch, stream, self._store.input, job.id, job.input_lines)
        lines: Sequence[bytes] = ()
        if request.path == MAIN:
            lines = job.entries[: job.committed]
        elif request.path == EXEC:
            lines = _exec_lines(job, job.committed)
        watch.begin(_Lines(lines))
        return None

    async def _send_kept(self, stream: Stream, request: WatchRequest) -> None:
        row = await find(self._engine, self._store, request.id, stream.cred)
        watch = _Watch(stream, request)
        await watch.send_pages(await self._kept(stream, row, request.path))
        watch.begin(_Lines(()))
        watch.end()

    async def _kept(
        self, stream: Stream, row: ActiveRow | InactiveRow, path: str
    ) -> Sequence[bytes]:
        if path == MAIN:
            return row.eventlog.splitlines(keepends=True)
        if path == EXEC:
            return derive(rows.replay(row), eventlog.decode(row.eventlog))
        if path == OUTPUT:
            return await self._read(stream, self._store.output, row.id)
        if path == INPUT and (lines := await self._read(stream, self._store.input, row.id)):
            return lines
        raise value_not_found(path)

    async def _read(self, stream: Stream, read: _Read, id: int) -> Sequence[bytes]:
        """What is kept of a job's output or input.

        Raises:
            RpcError: the job ended and was purged meanwhile, if nothing is.
        """
        data = await read(id)
        if not data:
            await find(self._engine, self._store, id, stream.cred)
        return data.splitlines(keepends=True)

    async def _catch_up(
        self, watch: "_Watch", stream: Stream, read: _Read, id: int, durable: int
    ) -> None:
        """Send the lines that were durable when the watch began, then what was held back since.

        Little can be held back: it comes from the writer that this waits for.
        """
        kept = await self._read(stream, read, id)
        await watch.send_pages(kept[:durable])
        watch.begin(_Lines(()))

    def _forget(self, id: int, watch: "_Watch") -> None:
        watches = self._watches[id]
        watches.remove(watch)
        if not watches:
            del self._watches[id]

    def committed(self, batch: Sequence[Committed]) -> None:
        """See Listener."""
        if not self._watches:
            return
        for item in batch:
            watches = self._watches.get(item.job.id)
            if watches is not None:
                self._tell(list(watches), item)

    def _tell(self, watches: Sequence["_Watch"], item: Committed) -> None:
        news: dict[str, _Lines] = {}
        for watch in watches:
            lines = news.get(watch.path)
            if lines is None:
                lines = news[watch.path] = _Lines(_news(item, watch.path))
            watch.take(lines)
            if item.last:
                watch.end()


def _news(item: Committed, path: str) -> Sequence[bytes]:
    if path == MAIN:
        return item.entries
    if path == EXEC:
        job = item.job
        before = len(_exec_lines(job, job.committed - len(item.entries)))
        return _exec_lines(job, job.committed)[before:]
    data = {OUTPUT: item.output, INPUT: item.input}.get(path, b"")
    return data.splitlines(keepends=True)


def _exec_lines(job: Job, durable: int) -> Sequence[bytes]:
    return derive(job, (eventlog.decode_line(line) for line in job.entries[:durable]))


class _Lines:
    """Lines for any number of watches, encoded at most once in each format."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self.lines = lines
        self._encoded: dict[Format, Sequence[bytes]] = {}

    def encoded(self, format: Format) -> Sequence[bytes]:
        """The responses, one a line."""
        bodies = self._encoded.get(format)
        if bodies is None:
            replies = (WatchReply(line.decode()) for line in self.lines)
            bodies = self._encoded[format] = [payload.encode(reply, format) for reply in replies]
        return bodies


class _Count(Struct):
    count: dict[str, int]


class _Header(Struct):
    """The part of the first line of output (RFC 24) that says how many streams there are."""

    context: _Count


_header_decoder: Final = msgspec.json.Decoder(_Header)


class _Watch:
    """One stream on one eventlog. Until it has begun, news are held back."""

    def __init__(self, stream: Stream, request: WatchRequest) -> None:
        self.path = request.path
        self._stream = stream
        self._held: list[_Lines] | None = []
        self._sentinel_due = bool(request.flags & WATCH_INITIAL_SENTINEL)
        self._streams = 0  # of output, as its header says
        self._eofs = 0
        self._ended = False

    async def send_pages(self, lines: Sequence[bytes]) -> None:
        """Send many lines, with a turn of the loop for others after each page."""
        for start in range(0, len(lines), PAGE):
            if not self._stream.open:
                return
            self._send(_Lines(lines[start : start + PAGE]))
            await asyncio.sleep(0)

    def begin(self, lines: _Lines) -> None:
        """Send the rest of what there is, say so if asked, and go on with what was held back."""
        if not self._stream.open:
            return
        self._send(lines)
        if self._sentinel_due:
            self._stream.send(None)
        held, self._held = self._held or [], None
        for later in held:
            self._send(later)
        if self._ended:
            self._stream.end()

    def take(self, lines: _Lines) -> None:
        """Send news, or hold them back."""
        if self._held is None:
            self._send(lines)
        else:
            self._held.append(lines)

    def end(self) -> None:
        """End the stream, once nothing is held back."""
        self._ended = True
        if self._held is None:
            self._stream.end()

    def _send(self, lines: _Lines) -> None:
        for body in lines.encoded(self._stream.format):
            self._stream.send_encoded(body)
        if self._complete(lines.lines):
            self.end()

    def _complete(self, lines: Sequence[bytes]) -> bool:
        """Whether these lines end the eventlog; the last event of the main one ends the job."""
        if self.path == EXEC:
            return bool(lines) and _DONE in lines[-1]
        if self.path != OUTPUT or not lines:
            return False
        if not self._streams:
            self._streams = _count(lines[0])
        self._eofs += sum(_EOF in line for line in lines)
        return 0 < self._streams <= self._eofs


def _count(line: bytes) -> int:
    """How many streams a header of output tells of."""
    return sum(_header_decoder.decode(line).context.count.values())
