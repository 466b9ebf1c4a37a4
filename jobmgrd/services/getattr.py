"""job-manager.getattr, getinfo: facts about one job, active or not (getattr.c)."""

import errno
from collections.abc import Awaitable, Iterable, Mapping
from typing import Any, Final

import msgspec

from jobmgrd.call import Call, Empty, Value
from jobmgrd.engine import Engine
from jobmgrd.routes import Route, Scope
from jobmgrd.services.lookup import UNKNOWN_JOB, authorize, missing
from jobmgrd.store.port import ActiveRow, InactiveRow, Store
from jobmgrd.store.rows import active
from protocol import eventlog
from protocol.errors import RpcError
from protocol.job_manager import GetattrRequest, GetinfoReply
from protocol.jobspec import redact

UNKNOWN: Final = RpcError(errno.EINVAL, UNKNOWN_JOB)


class Getattr:
    """Looks in memory first, in the store after."""

    def __init__(self, engine: Engine, store: Store) -> None:
        self._engine = engine
        self._store = store

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("job-manager.getattr", GetattrRequest, self.getattr, scope=Scope.OWN),
            Route("job-manager.getinfo", Empty, self.getinfo, scope=Scope.TOTALS),
        ]

    def getinfo(self, _call: Call, _request: Empty) -> GetinfoReply:
        """The highest job id ever given."""
        return GetinfoReply(self._engine.max_jobid)

    def getattr(self, call: Call, request: GetattrRequest) -> Awaitable[Value] | Value:
        """Some attributes of a job."""
        job = self._engine.jobs.get(request.id)
        if job is not None:
            return _attributes(call, active(job), request.attrs)
        return self._kept(call, request)

    async def _kept(self, call: Call, request: GetattrRequest) -> Value:
        found = await self._store.find(request.id)
        if not isinstance(found, InactiveRow):
            raise missing(found, UNKNOWN.text, UNKNOWN.errnum, call.cred)
        return _attributes(call, found, request.attrs)


def _attributes(
    call: Call, row: ActiveRow | InactiveRow, attrs: Iterable[str]
) -> Mapping[str, Any]:
    authorize(call.cred, row.userid, "guests can only access their own jobs", UNKNOWN)
    return {attr: _attribute(row, attr) for attr in dict.fromkeys(attrs)}


def _attribute(row: ActiveRow | InactiveRow, attr: str) -> Any:  # noqa: ANN401 - decoded JSON
    if attr == "jobspec":
        return redact(row.jobspec)
    if attr == "eventlog":
        return [msgspec.to_builtins(entry) for entry in eventlog.decode(row.eventlog)]
    if attr == "R":
        if row.R is None:
            raise RpcError(errno.ENOENT, "R is NULL")
        return msgspec.json.decode(row.R)
    raise RpcError(errno.ENOENT, f"unknown attr {attr}")
