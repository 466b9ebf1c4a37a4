"""job-info: what is kept of one job, looked up as it was or as it is now (RFC 41).

Following eventlogs and updates as they come is in eventlog_watch.py and update_watch.py.
"""

import errno
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from jobmgrd.call import Call
from jobmgrd.commits import Committed
from jobmgrd.engine import Engine
from jobmgrd.jobs.exec_eventlog import derive
from jobmgrd.jobs.updates import EVENTS, update
from jobmgrd.router import Router
from jobmgrd.routes import Route, Scope
from jobmgrd.services.eventlog_watch import EventlogWatch
from jobmgrd.services.job_record import find, value_not_found
from jobmgrd.services.update_watch import UpdateWatch
from jobmgrd.store import rows
from jobmgrd.store.port import ActiveRow, InactiveRow, Store
from protocol import eventlog, signature
from protocol.errors import RpcError
from protocol.job_info import (
    LOOKUP_CURRENT,
    LOOKUP_JSON_DECODE,
    LookupRequest,
    UpdateRequest,
)

_LOOKUP_FLAGS: Final = LOOKUP_JSON_DECODE | LOOKUP_CURRENT


class JobInfo:
    """Lookups, and the watchers."""

    def __init__(self, engine: Engine, store: Store, router: Router) -> None:
        self._engine = engine
        self._store = store
        self._eventlogs = EventlogWatch(engine, store, router)
        self._updates = UpdateWatch(engine, store, router)

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("job-info.lookup", LookupRequest, self.lookup, scope=Scope.OWN),
            Route("job-info.update-lookup", UpdateRequest, self.update_lookup, scope=Scope.OWN),
            *self._eventlogs.routes(),
            *self._updates.routes(),
        ]

    def committed(self, batch: Sequence[Committed]) -> None:
        """See Listener."""
        self._eventlogs.committed(batch)
        self._updates.committed(batch)

    async def lookup(self, call: Call, request: LookupRequest) -> Mapping[str, Any]:
        """Some keys of a job's directory; all of them, or an error."""
        if request.flags & ~_LOOKUP_FLAGS:
            raise RpcError(errno.EPROTO, "lookup request rejected with invalid flag")
        row = await find(self._engine, self._store, request.id, call.cred)
        reply: dict[str, Any] = {"id": request.id}
        for key in dict.fromkeys(request.keys):
            reply[key] = await self._value(row, key, request.flags)
        return reply

    async def update_lookup(self, call: Call, request: UpdateRequest) -> Mapping[str, Any]:
        """R as it is now (flux-core's older name for a lookup of R with both flags)."""
        if request.flags:
            raise RpcError(errno.EPROTO, "update-lookup request rejected with invalid flag")
        if request.key != "R":
            raise RpcError(errno.EINVAL, "update-lookup unsupported key specified")
        return await self.lookup(call, LookupRequest(request.id, [request.key], _LOOKUP_FLAGS))

    async def _value(self, row: ActiveRow | InactiveRow, key: str, flags: int) -> Any:  # noqa: ANN401 - text or decoded JSON
        if key in EVENTS:
            return _json(row, key, flags)
        text = await self._text(row, key)
        if not text:
            raise value_not_found(key)
        return text

    async def _text(self, row: ActiveRow | InactiveRow, key: str) -> str:
        if key == "J":  # kept is only what it signs; mechanism none can sign that again
            return signature.wrap(row.jobspec, row.userid)
        if key == "eventlog":
            return row.eventlog.decode()
        if key == "guest.exec.eventlog":
            return b"".join(derive(rows.replay(row), eventlog.decode(row.eventlog))).decode()
        if key == "guest.output":
            return (await self._store.output(row.id)).decode()
        if key == "guest.input":
            return (await self._store.input(row.id)).decode()
        return ""


def _json(row: ActiveRow | InactiveRow, key: str, flags: int) -> Any:  # noqa: ANN401 - text or decoded JSON
    data = row.jobspec if key == "jobspec" else row.R
    if data is None:
        raise value_not_found(key)
    if not flags:
        return data.decode()
    value = msgspec.json.decode(data)
    if flags & LOOKUP_CURRENT:
        update(key, value, eventlog.decode(row.eventlog))
    return value if flags & LOOKUP_JSON_DECODE else msgspec.json.encode(value).decode()
