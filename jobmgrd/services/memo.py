"""job-manager.memo: notes on an active job, in its eventlog or in memory alone (annotate.c)."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from jobmgrd.call import Call, Value
from jobmgrd.engine import Engine
from jobmgrd.jobs.job import Job
from jobmgrd.routes import Route, Scope
from jobmgrd.services.lookup import UNKNOWN_ID, active_job, authorize, check_room, refuse
from jobmgrd.store.port import Store
from protocol.job_manager import MemoRequest
from protocol.message import Cred


class Memo:
    """A volatile memo costs no commit: it is shown while the job is active, until a restart.

    `tell` is given the jobs whose annotations are different for that.
    """

    def __init__(self, engine: Engine, store: Store, tell: Callable[[Sequence[Job]], None]) -> None:
        self._engine = engine
        self._store = store
        self._tell = tell

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [Route("job-manager.memo", MemoRequest, self.memo, scope=Scope.OWN)]

    def memo(self, call: Call, request: MemoRequest) -> Awaitable[Value]:
        """Attach keys to a job; answered once they are durable, unless they never will be."""
        job = active_job(self._engine, request.id)
        if job is None:
            return refuse(self._store, request.id, call.cred)
        authorize(call.cred, job.userid, "guests can only add a memo to their own jobs", UNKNOWN_ID)
        check_room(self._engine, job)
        if request.volatile:
            self._check_noted(job, request.memo)
            return self._note(job, request.memo, call.cred)
        self._engine.post(job, "memo", request.memo)
        return self._engine.durable(job)

    def _check_noted(self, job: Job, memo: Mapping[str, Any]) -> None:
        """What no eventlog has is in memory as well."""
        guard = self._engine.guard
        size = sum(len(msgspec.json.encode(part)) for part in (job.noted or {}, memo))
        if size > guard.limits.eventlog:
            raise guard.refuse("eventlog")

    async def _note(self, job: Job, memo: Mapping[str, Any], cred: Cred) -> None:
        while job.committed < len(job.entries):  # followers learn things in their order
            await self._engine.durable(job)
        if active_job(self._engine, job.id) is None:
            await refuse(self._store, job.id, cred)
        job.note(memo)
        self._tell([job])
