"""job-manager.kill, killall: signals for the processes of running jobs (kill.c)."""

import errno
import signal
from collections.abc import Awaitable, Iterable
from typing import Final

from jobmgrd.call import Call, Value
from jobmgrd.engine import Engine
from jobmgrd.routes import Route, Scope
from jobmgrd.services.lookup import UNKNOWN_ID, active_job, authorize, refuse
from jobmgrd.services.targets import targets
from jobmgrd.store.port import Store
from protocol.errors import RpcError
from protocol.job import State
from protocol.job_manager import AllReply, KillallRequest, KillRequest

UNKNOWN: Final = RpcError(errno.EINVAL, UNKNOWN_ID.text)
NOT_ALLOWED: Final = "guests may only send signals to their own jobs"


class Kill:
    """Signals are not kept: the answer says that the signal was handed on, not what it did."""

    def __init__(self, engine: Engine, store: Store) -> None:
        self._engine = engine
        self._store = store

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("job-manager.kill", KillRequest, self.kill, scope=Scope.OWN),
            Route("job-manager.killall", KillallRequest, self.killall, scope=Scope.OWN),
        ]

    def kill(self, call: Call, request: KillRequest) -> Awaitable[Value] | None:
        """Send a signal to a running job."""
        _check(request.signum)
        job = active_job(self._engine, request.id)
        if job is None:
            return refuse(self._store, request.id, call.cred, UNKNOWN)
        authorize(call.cred, job.userid, NOT_ALLOWED, UNKNOWN)
        if not job.state & State.RUNNING:
            raise RpcError(errno.EINVAL, "job is not running")
        self._engine.execution.signal(job, request.signum)
        return None

    def killall(self, call: Call, request: KillallRequest) -> AllReply:
        """Send a signal to the running jobs of a user, or of all."""
        text = "guests can only kill their own jobs"
        jobs = targets(self._engine, call.cred, request.userid, State.RUNNING, text)
        _check(request.signum)
        if not request.dry_run:
            for job in jobs:
                self._engine.execution.signal(job, request.signum)
        return AllReply(len(jobs))


def _check(signum: int) -> None:
    if not 0 < signum < signal.NSIG:
        raise RpcError(errno.EINVAL, "Invalid signal number")
