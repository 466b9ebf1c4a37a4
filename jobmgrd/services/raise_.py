"""job-manager.raise, raiseall: exceptions on jobs (raise.c)."""

import asyncio
import errno
from collections.abc import Awaitable, Iterable
from typing import Final

from jobmgrd.call import Call, Value
from jobmgrd.engine import Engine
from jobmgrd.jobs.job import Job
from jobmgrd.routes import Route, Scope
from jobmgrd.services.lookup import UNKNOWN_ID, active_job, authorize, check_room, refuse
from jobmgrd.services.targets import targets
from jobmgrd.store.port import Store
from protocol.errors import RpcError
from protocol.job import State
from protocol.job_manager import AllReply, RaiseallRequest, RaiseRequest
from protocol.message import Cred

NOT_ALLOWED: Final = "guests can only raise exceptions on their own jobs"

WAIT_STATUS_MAX: Final = 0xFFFF
"""wait(2) uses 16 bits."""


class Raise:
    """Cancel is an exception of type cancel and severity 0."""

    def __init__(self, engine: Engine, store: Store) -> None:
        self._engine = engine
        self._store = store

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("job-manager.raise", RaiseRequest, self.raise_, scope=Scope.OWN),
            Route("job-manager.raiseall", RaiseallRequest, self.raiseall, scope=Scope.OWN),
        ]

    def raise_(self, call: Call, request: RaiseRequest) -> Awaitable[Value]:
        """Post an exception; answered once it is durable."""
        _check(request)
        if request.wait_status > WAIT_STATUS_MAX:
            raise RpcError(errno.EPROTO, "invalid exception wait_status")
        job = active_job(self._engine, request.id)
        if job is None:
            return refuse(self._store, request.id, call.cred)
        authorize(call.cred, job.userid, NOT_ALLOWED, UNKNOWN_ID)
        status = request.wait_status if request.wait_status >= 0 else None
        self._post(job, request, call.cred, status)
        return self._engine.durable(job)

    def raiseall(self, call: Call, request: RaiseallRequest) -> Awaitable[Value] | AllReply:
        """Post an exception on each of a user's jobs; answered once all of them are durable."""
        states = State(request.states & int(State.ACTIVE))
        jobs = targets(self._engine, call.cred, request.userid, states, NOT_ALLOWED)
        _check(request)
        if request.dry_run or not jobs:
            return AllReply(len(jobs))
        full = 0
        for job in jobs:
            if job.state is not State.INACTIVE:  # the end of another may have ended it
                try:
                    self._post(job, request, call.cred)
                except RpcError:
                    full += 1
        return self._all_durable(jobs, full)

    def _post(
        self,
        job: Job,
        request: RaiseRequest | RaiseallRequest,
        cred: Cred,
        status: int | None = None,
    ) -> None:
        if request.severity or job.exception is not None:  # to end a job takes no room
            check_room(self._engine, job)
        given = request.type, request.severity, request.note
        self._engine.raise_exception(job, *given, cred.userid, status)

    async def _all_durable(self, jobs: list[Job], full: int) -> AllReply:
        """A job is an error whose own submit could not be made durable: it is no more."""
        waits = [self._engine.durable(job) for job in jobs]
        ends = await asyncio.gather(*waits, return_exceptions=True)
        return AllReply(len(jobs), full + sum(isinstance(end, BaseException) for end in ends))


def _check(request: RaiseRequest | RaiseallRequest) -> None:
    if not 0 <= request.severity <= 7:  # noqa: PLR2004 - RFC 21's range
        raise RpcError(errno.EPROTO, "invalid exception severity")
    if not request.type or any(c.isspace() or c == "=" for c in request.type):
        raise RpcError(errno.EPROTO, "invalid exception type")
