"""job-info.update-watch: jobspec or R as it is now, again whenever it is updated (RFC 41).

The stream ends when the job is inactive. An update is encoded once in each format, however many
watch it.
"""

import errno
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, Final

import msgspec

from jobmgrd.call import Stream
from jobmgrd.commits import Committed
from jobmgrd.engine import Engine
from jobmgrd.jobs.updates import EVENTS, update
from jobmgrd.router import Router, cancel_route
from jobmgrd.routes import Route, Scope
from jobmgrd.services.job_record import durable, find, value_not_found, visible
from jobmgrd.store.port import ActiveRow, InactiveRow, Store
from protocol import eventlog, payload
from protocol.errors import RpcError
from protocol.job_info import UpdateRequest
from protocol.payload import Format

TOPIC: Final = "job-info.update-watch"


class UpdateWatch:
    """The watchers, by job and key."""

    def __init__(self, engine: Engine, store: Store, router: Router) -> None:
        self._engine = engine
        self._store = store
        self._router = router
        self._watches: dict[int, list[tuple[str, Stream]]] = {}

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route(TOPIC, UpdateRequest, self.watch, streaming=True, scope=Scope.OWN),
            cancel_route(TOPIC, self._router),
        ]

    def watch(self, stream: Stream, request: UpdateRequest) -> Coroutine[Any, Any, None] | None:
        """Send the value as it is now, then every later version."""
        if request.flags:
            raise RpcError(errno.EPROTO, "update-watch request rejected with invalid flag")
        if request.key not in EVENTS:
            raise RpcError(errno.EINVAL, "update-watch unsupported key specified")
        job = visible(self._engine, request.id, stream.cred)
        if job is None:
            return self._send_kept(stream, request)
        stream.send({request.key: _current(durable(job), request.key)})
        watch = (request.key, stream)
        self._watches.setdefault(job.id, []).append(watch)
        stream.on_close = lambda: self._forget(job.id, watch)
        return None

    async def _send_kept(self, stream: Stream, request: UpdateRequest) -> None:
        row = await find(self._engine, self._store, request.id, stream.cred)
        stream.send({request.key: _current(row, request.key)})
        stream.end()

    def _forget(self, id: int, watch: tuple[str, Stream]) -> None:
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
                _tell(list(watches), item)


def _tell(watches: Iterable[tuple[str, Stream]], item: Committed) -> None:
    names = {eventlog.decode_line(line).name for line in item.entries}
    encoded: dict[tuple[str, Format], bytes] = {}
    for key, stream in watches:
        if EVENTS[key] in names:
            which = (key, stream.format)
            if which not in encoded:
                value = {key: _current(durable(item.job), key)}
                encoded[which] = payload.encode(value, stream.format)
            stream.send_encoded(encoded[which])
        if item.last:
            stream.end()


def _current(row: ActiveRow | InactiveRow, key: str) -> dict[str, Any]:
    data = row.jobspec if key == "jobspec" else row.R
    if data is None:
        raise value_not_found(key)
    return update(key, msgspec.json.decode(data), eventlog.decode(row.eventlog))
