"""job-manager.raise, kill: exceptions and signals for a job (raise.c, kill.c)."""

import errno
import signal
from collections.abc import Awaitable, Iterable

from jobmgrd.call import Call, Value
from jobmgrd.engine import Engine
from jobmgrd.router import Route
from jobmgrd.services.lookup import active_job, authorize, refuse
from jobmgrd.store.port import Store
from protocol.errors import RpcError
from protocol.job import State
from protocol.job_manager import KillRequest, RaiseRequest


class Raise:
    """Cancel is an exception of type cancel and severity 0."""

    def __init__(self, engine: Engine, store: Store) -> None:
        self._engine = engine
        self._store = store

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("job-manager.raise", RaiseRequest, self.raise_),
            Route("job-manager.kill", KillRequest, self.kill),
        ]

    def raise_(self, call: Call, request: RaiseRequest) -> Awaitable[Value]:
        """Post an exception; answered once it is durable."""
        if not 0 <= request.severity <= 7:  # noqa: PLR2004 - RFC 21's range
            raise RpcError(errno.EPROTO, "invalid exception severity")
        if not request.type or any(c.isspace() or c == "=" for c in request.type):
            raise RpcError(errno.EPROTO, "invalid exception type")
        job = active_job(self._engine, request.id)
        if job is None:
            return refuse(self._store, request.id, unknown="unknown job id")
        authorize(call.cred, job.userid, "guests can only raise exceptions on their own jobs")
        self._engine.raise_exception(
            job, request.type, request.severity, request.note, call.cred.userid
        )
        return self._engine.durable(job)

    def kill(self, call: Call, request: KillRequest) -> Awaitable[Value] | None:
        """Send a signal to a running job."""
        if not 0 < request.signum < signal.NSIG:
            raise RpcError(errno.EINVAL, "Invalid signal number")
        job = active_job(self._engine, request.id)
        if job is None:
            return refuse(self._store, request.id, unknown="unknown job id", errnum=errno.EINVAL)
        authorize(call.cred, job.userid, "guests may only send signals to their own jobs")
        if not job.state & State.RUNNING:
            raise RpcError(errno.EINVAL, "job is not running")
        self._engine.signal(job, request.signum)
        return None
