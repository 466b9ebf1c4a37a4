"""job-manager.urgency: a pending job's place in the queue (urgency.c)."""

import errno
from collections.abc import Awaitable, Iterable
from typing import Final

from jobmgrd.call import Call, Value
from jobmgrd.engine import Engine
from jobmgrd.routes import Route, Scope
from jobmgrd.services.lookup import UNKNOWN_JOB, active_job, authorize, check_room, refuse
from jobmgrd.store.port import Store
from protocol.errors import RpcError
from protocol.job import URGENCY_DEFAULT, URGENCY_MAX, URGENCY_MIN
from protocol.job_manager import UrgencyReply, UrgencyRequest

UNKNOWN: Final = RpcError(errno.EINVAL, UNKNOWN_JOB)


class Urgency:
    """Changes of a job's place in the queue."""

    def __init__(self, engine: Engine, store: Store) -> None:
        self._engine = engine
        self._store = store

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [Route("job-manager.urgency", UrgencyRequest, self.urgency, scope=Scope.OWN)]

    def urgency(self, call: Call, request: UrgencyRequest) -> Awaitable[Value]:
        """Change a pending job's urgency, and so its priority."""
        if not URGENCY_MIN <= request.urgency <= URGENCY_MAX:
            raise RpcError(errno.EINVAL, "urgency value is out of range")
        job = active_job(self._engine, request.id)
        if job is None:
            return refuse(self._store, request.id, call.cred, UNKNOWN)
        authorize(call.cred, job.userid, "guests can only reprioritize their own jobs", UNKNOWN)
        if not call.cred.is_owner and request.urgency > max(URGENCY_DEFAULT, job.urgency):
            raise RpcError(errno.EPERM, "guests can only adjust urgency <= default")
        if job.has_resources:
            text = "urgency cannot be changed once resources are allocated"
            raise RpcError(errno.EINVAL, text)
        check_room(self._engine, job)
        old = job.urgency
        context = {"userid": call.cred.userid, "urgency": request.urgency}
        self._engine.post(job, "urgency", context)
        return self._reply(self._engine.durable(job), old)

    async def _reply(self, durable: Awaitable[None], old: int) -> UrgencyReply:
        await durable
        return UrgencyReply(old)
