"""job-manager.purge, purge-id: remove old inactive jobs, on request and by heartbeat (purge.c).

A batch is one transaction of the store. Only when it is durable is the event published, in the
order of `seq`, and only then is the caller answered.
"""

import asyncio
import errno
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any, Final

import structlog

from jobmgrd.engine import Engine
from jobmgrd.jobs.retention import (
    BATCH_MAX,
    UNLIMITED,
    Candidate,
    History,
    Limits,
    Policy,
    count,
    select,
)
from jobmgrd.router import OWNER, Call, Route
from jobmgrd.services.lookup import active_job, missing
from jobmgrd.store.port import InactiveRow, PurgeRecord, Store, StoreError
from protocol.errors import RpcError
from protocol.events import PurgeEvent
from protocol.job_manager import PurgeIdRequest, PurgeReply, PurgeRequest, PurgeStats

log = structlog.get_logger()

BY_REQUEST: Final = "purge"
BY_ID: Final = "purge-id"
BY_LIMIT: Final = "limit"


class Purge:
    """The RPCs, the heartbeat's runs, and the announcement of both."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        publish: Callable[[PurgeEvent], object],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        clock: Callable[[], float],
        *,
        userid: int,
    ) -> None:
        self._engine = engine
        self._store = store
        self._publish = publish
        self._spawn = spawn
        self._clock = clock
        self._userid = userid
        self._policy = Policy()
        self._budget = 0.0
        self._running = False
        self._last = 0.0

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("job-manager.purge", PurgeRequest, self.purge, role=OWNER),
            Route("job-manager.purge-id", PurgeIdRequest, self.purge_id, role=OWNER),
        ]

    def configure(self, limits: Limits, budget: float) -> None:
        """Set the limits of the heartbeat's runs, and how many seconds a run may take."""
        self._policy = Policy(limits)
        self._budget = budget

    def stats(self) -> PurgeStats:
        """Counters for stats-get."""
        stats = self._store.stats()
        return PurgeStats(
            seq=stats.purge_seq,
            total=stats.purged,
            last=self._last,
            running=self._running,
            age_limit=self._policy.limits.age,
            num_limit=self._policy.limits.num,
        )

    # --- requests ---------------------------------------------------------------------------

    async def purge(self, call: Call, request: PurgeRequest) -> PurgeReply:
        """Purge at most `batch` jobs by these limits; without force count them all."""
        if request.age_limit != UNLIMITED and not request.age_limit >= 0:
            raise RpcError(errno.EINVAL, "if set, age limit must be >= 0")
        if request.num_limit != UNLIMITED and request.num_limit < 0:
            raise RpcError(errno.EINVAL, "if set, num limit must be >= 0")
        if not 1 <= request.batch <= BATCH_MAX:
            raise RpcError(errno.EINVAL, f"batch must be >= 1 and <= {BATCH_MAX}")
        policy = Policy(Limits(request.age_limit, request.num_limit))
        now = self._clock()
        if not request.force:
            return PurgeReply(await self._store.inspect(partial(count, policy=policy, now=now)))
        decide = partial(select, policy=policy, now=now, batch=request.batch)
        return _reply(await self._commit(decide, BY_REQUEST, call.cred.userid))

    async def purge_id(self, call: Call, request: PurgeIdRequest) -> PurgeReply:
        """Purge these jobs, all of them or, with an error, none."""
        ids = _ids(request)
        for id in ids:
            if active_job(self._engine, id) is not None:
                raise RpcError(errno.EINVAL, "cannot purge active job")
            if id in self._engine.jobs:  # clean, but that is not durable yet
                await self._engine.durable(self._engine.jobs[id])
        for id in ids:
            found = await self._store.find(id)
            if not isinstance(found, InactiveRow):
                raise missing(found, "id not found")
        if not request.force:
            return PurgeReply(len(ids))
        return _reply(await self._commit(partial(_all_of, ids), BY_ID, call.cred.userid))

    # --- heartbeats -------------------------------------------------------------------------

    def on_heartbeat(self) -> None:
        """Start a run, unless one is under way or nothing can be eligible."""
        if not self._running and not self._policy.unlimited:
            self._running = True
            self._spawn(self._run())

    async def _run(self) -> None:
        """Take batches while jobs are eligible and the budget lasts."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._budget
        total = 0
        try:
            while True:
                decide = partial(select, policy=self._policy, now=self._clock(), batch=BATCH_MAX)
                record = await self._commit(decide, BY_LIMIT, self._userid)
                total += len(record.jobs) if record else 0
                if record is None or len(record.jobs) < BATCH_MAX or loop.time() >= end:
                    break
        except StoreError as error:
            log.error("purge.failed", reason=str(error), errnum=error.errnum)
        finally:
            self._running = False
        if total:
            log.debug("purge.run", jobs=total)

    # --- both -------------------------------------------------------------------------------

    async def _commit(
        self, decide: Callable[[History], Sequence[Candidate]], reason: str, userid: int
    ) -> PurgeRecord | None:
        now = self._clock()
        record = await self._store.purge(decide, now=now, reason=reason, userid=userid)
        if record is not None:
            self._last = now
            self.announce(record)
        return record

    def announce(self, record: PurgeRecord) -> None:
        """Publish a committed batch. The store finishes purges in the order of their seq."""
        self._publish(PurgeEvent(record.jobs, record.seq, record.t, record.reason, record.userid))
        self._engine.published(record.seq)


def _all_of(ids: Sequence[int], history: History) -> Sequence[Candidate]:
    found = history.find(ids)
    if len(found) != len(ids):  # another purger was faster
        raise RpcError(errno.ENOENT, "id not found: it was purged meanwhile")
    return found


def _ids(request: PurgeIdRequest) -> list[int]:
    ids = list(dict.fromkeys(request.ids or ()))
    if request.id is not None:
        ids.append(request.id)
    if not ids:
        raise RpcError(errno.EPROTO, "missing required key 'id' (or 'ids')")
    if len(ids) > BATCH_MAX:
        raise RpcError(errno.EINVAL, f"at most {BATCH_MAX} ids can be purged at a time")
    return ids


def _reply(record: PurgeRecord | None) -> PurgeReply:
    return PurgeReply(0) if record is None else PurgeReply(len(record.jobs), record.seq)
