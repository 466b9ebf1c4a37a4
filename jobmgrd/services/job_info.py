"""job-info: what is kept of one job, looked up or followed as it grows (RFC 41)."""

import errno
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, Final

import msgspec

from jobmgrd.engine import Committed, Engine
from jobmgrd.jobs.job import Job
from jobmgrd.router import Call, Route, Router, Stream, Value, cancel_route
from jobmgrd.services.lookup import UNKNOWN_JOB, authorize, missing
from jobmgrd.store.port import ActiveRow, InactiveRow, Store
from jobmgrd.store.rows import active
from protocol.errors import RpcError
from protocol.job_info import LOOKUP_JSON_DECODE, LookupRequest, WatchReply, WatchRequest

NOT_ALLOWED: Final = "guests can only access their own jobs"
PATHS: Final = ("eventlog", "guest.output")


class JobInfo:
    """Lookups, and the watchers of eventlogs and output."""

    def __init__(self, engine: Engine, store: Store, router: Router) -> None:
        self._engine = engine
        self._store = store
        self._router = router
        self._watches: dict[int, list[_Watch]] = {}

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("job-info.lookup", LookupRequest, self.lookup),
            Route("job-info.eventlog-watch", WatchRequest, self.watch, streaming=True),
            cancel_route("job-info.eventlog-watch", self._router),
        ]

    async def lookup(self, call: Call, request: LookupRequest) -> Value:
        """Some keys of a job's directory; all of them, or an error."""
        row = await self._row(request.id)
        authorize(call.cred, row.userid, NOT_ALLOWED)
        reply: dict[str, Any] = {"id": request.id}
        for key in request.keys:
            reply[key] = await self._value(row, key, request.flags)
        return reply

    async def _row(self, id: int) -> ActiveRow | InactiveRow:
        job = self._engine.jobs.get(id)
        if job is not None:
            return active(job)
        found = await self._store.find(id)
        if isinstance(found, InactiveRow):
            return found
        raise missing(found, UNKNOWN_JOB)

    async def _value(self, row: ActiveRow | InactiveRow, key: str, flags: int) -> Any:  # noqa: ANN401 - decoded JSON
        if key in PATHS:
            return (await self._log(row, key)).decode()
        data = {"jobspec": row.jobspec, "R": row.R}.get(key)
        if data is None:
            raise RpcError(errno.ENOENT, f"job has no {key}")
        return msgspec.json.decode(data) if flags & LOOKUP_JSON_DECODE else data.decode()

    async def _log(self, row: ActiveRow | InactiveRow, path: str) -> bytes:
        return row.eventlog if path == "eventlog" else await self._store.output(row.id)

    def watch(self, stream: Stream, request: WatchRequest) -> Coroutine[Any, Any, None] | None:
        """Send what an eventlog holds, then what is added, until it is complete."""
        if request.path not in PATHS:
            raise RpcError(errno.ENOENT, f"job has no {request.path}")
        job = self._engine.jobs.get(request.id)
        if job is None:
            return self._send_kept(stream, request)
        authorize(stream.cred, job.userid, NOT_ALLOWED)
        watch = _Watch(stream, request.path)
        self._watches.setdefault(job.id, []).append(watch)
        stream.on_close = lambda: self._forget(job.id, watch)
        if request.path == "eventlog":
            watch.send(job.entries[: job.committed])
            return None
        return self._catch_up(watch, job)

    async def _send_kept(self, stream: Stream, request: WatchRequest) -> None:
        row = await self._row(request.id)
        authorize(stream.cred, row.userid, NOT_ALLOWED)
        watch = _Watch(stream, request.path)
        watch.send((await self._log(row, request.path)).splitlines(keepends=True))
        watch.end()

    async def _catch_up(self, watch: "_Watch", job: Job) -> None:
        """Send the output that was durable when the watch began, then what was held back since."""
        watch.held = []
        durable = job.output_lines
        kept = await self._store.output(job.id)
        watch.resume(kept.splitlines(keepends=True)[:durable])

    def _forget(self, id: int, watch: "_Watch") -> None:
        watches = self._watches.get(id, [])
        if watch in watches:
            watches.remove(watch)
        if not watches:
            self._watches.pop(id, None)

    def committed(self, batch: Sequence[Committed]) -> None:
        """See Listener."""
        if not self._watches:
            return
        for item in batch:
            for watch in list(self._watches.get(item.job.id, ())):
                if watch.path == "eventlog":
                    watch.send(item.entries)
                elif item.output:
                    watch.send(item.output.splitlines(keepends=True))
                if item.last:
                    watch.end()


class _Watch:
    """One stream on one eventlog. While `held` is a list, lines wait there."""

    def __init__(self, stream: Stream, path: str) -> None:
        self.stream = stream
        self.path = path
        self.held: list[bytes] | None = None
        self._ended = False

    def send(self, lines: Iterable[bytes]) -> None:
        """Send lines, or hold them back."""
        if self.held is not None:
            self.held.extend(lines)
            return
        for line in lines:
            self.stream.send(WatchReply(line.decode()))

    def resume(self, lines: Iterable[bytes]) -> None:
        """Send these lines, then those held back, and hold no more."""
        held, self.held = self.held or [], None
        self.send(lines)
        self.send(held)
        if self._ended:
            self.stream.end()

    def end(self) -> None:
        """End the stream, once nothing is held back."""
        self._ended = True
        if self.held is None:
            self.stream.end()
