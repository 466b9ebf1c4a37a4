"""job-manager.purge, purge-id: remove old inactive jobs on request (purge.c)."""

import errno
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import structlog

from jobmgrd.call import Call
from jobmgrd.engine import Engine
from jobmgrd.jobs.attributes import attributes, check_names
from jobmgrd.jobs.retention import (
    BATCH_MAX,
    UNLIMITED,
    Candidate,
    History,
    Limits,
    Policy,
    count,
    reason,
    select,
)
from jobmgrd.routes import OWNER, Route
from jobmgrd.services.lookup import active_job, missing
from jobmgrd.services.purge_run import PurgeRun
from jobmgrd.services.purger import Batch, Purger
from jobmgrd.services.retention import Retention
from jobmgrd.store import rows
from jobmgrd.store.port import InactiveRow, Store
from protocol.errors import RpcError
from protocol.job_manager import PurgeIdRequest, PurgeReply, PurgeRequest, PurgeStats

log = structlog.get_logger()

BY_REQUEST: Final = "purge"
BY_ID: Final = "purge-id"
LIST_MAX: Final = 1000
"""Jobs that a dry run lists at most."""


class Purge:
    """The RPCs, and the numbers of all purges."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        retention: Retention,
        purger: Purger,
        run: PurgeRun,
        clock: Callable[[], float],
        epoch: str,
    ) -> None:
        self._engine = engine
        self._store = store
        self._retention = retention
        self._purger = purger
        self._run = run
        self._clock = clock
        self._epoch = epoch

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("job-manager.purge", PurgeRequest, self.purge, role=OWNER),
            Route("job-manager.purge-id", PurgeIdRequest, self.purge_id, role=OWNER),
        ]

    def stats(self) -> PurgeStats:
        """Counters for stats-get."""
        stats = self._store.stats()
        limits = self._retention.policy.limits
        return PurgeStats(
            seq=stats.purge_seq,
            total=stats.purged,
            last=self._purger.last,
            running=self._run.running,
            age_limit=limits.age,
            num_limit=limits.num,
            backlog=self._run.last.backlog,
            lag=self._run.last.lag,
            rate=self._run.last.rate,
            blocked=self._run.last.blocked,
            tombstones=stats.tombstones,
            pins=self._retention.pins,
            reclassing=not self._retention.complete,
            epoch=self._epoch,
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
        if request.attrs is not None:
            check_names(request.attrs)
        policy = Policy(Limits(request.age_limit, request.num_limit))
        now = self._clock()
        if not request.force:
            return await self._dry_run(request, policy, now)
        choose = partial(select, policy=policy, now=now, batch=request.batch)
        rows = request.attrs is not None
        batch = await self._purger.purge(choose, BY_REQUEST, call.cred.userid, rows=rows)
        return _reply(batch, request.attrs, policy, now)

    async def _dry_run(self, request: PurgeRequest, policy: Policy, now: float) -> PurgeReply:
        total = await self._store.inspect(partial(count, policy=policy, now=now))
        if request.attrs is None:
            return PurgeReply(total)
        choose = partial(select, policy=policy, now=now, batch=LIST_MAX)
        jobs, counts = await self._store.inspect(lambda h: (choose(h), h.counts()))
        found = {row.id: row for row in await self._store.rows([job.id for job in jobs])}
        listed = [job for job in jobs if job.id in found]
        shown = [
            _shown(job, found[job.id], request.attrs, reason(counts, policy, job, now))
            for job in listed
        ]
        return PurgeReply(total, jobs=shown)

    async def purge_id(self, call: Call, request: PurgeIdRequest) -> PurgeReply:
        """Purge these jobs, all of them or, with an error, none."""
        ids = _ids(request)
        for id in ids:
            if (pin := self._retention.pinned(id)) is not None:
                raise RpcError(errno.EINVAL, f"job is pinned: {pin.reason}")
            if active_job(self._engine, id) is not None:
                raise RpcError(errno.EINVAL, "cannot purge active job")
            if (why := self._retention.held_for(id)) is not None:
                raise RpcError(errno.EINVAL, f"job is {why}")
            if id in self._engine.jobs:  # clean, but that is not durable yet
                await self._engine.durable(self._engine.jobs[id])
        orphans = {orphan.row.id for orphan in await self._store.orphans()} & set(ids)
        for id in ids:
            if id not in orphans:
                await self._require_inactive(id)
        if not request.force:
            return PurgeReply(len(ids))
        gone = await self._store.drop_orphans(list(orphans)) if orphans else 0
        rest = [id for id in ids if id not in orphans]
        if not rest:
            return PurgeReply(gone)
        batch = await self._purger.purge(partial(_all_of, rest), BY_ID, call.cred.userid)
        return PurgeReply(gone + len(rest), batch.record.seq if batch else None)

    async def _require_inactive(self, id: int) -> None:
        found = await self._store.find(id)
        if not isinstance(found, InactiveRow):
            raise missing(found, "id not found")


def _all_of(ids: Sequence[int], history: History) -> Sequence[Candidate]:
    found = history.find(ids)
    if len(found) != len(ids):  # another purger was faster
        raise RpcError(errno.ENOENT, "id not found: it was purged meanwhile")
    return found


def _ids(request: PurgeIdRequest) -> list[int]:
    ids = list(request.ids or ())
    if request.id is not None:
        ids.append(request.id)
    if not ids:
        raise RpcError(errno.EPROTO, "missing required key 'id' (or 'ids')")
    if len(ids) > BATCH_MAX:
        raise RpcError(errno.EINVAL, f"at most {BATCH_MAX} ids can be purged at a time")
    return list(dict.fromkeys(ids))


def _reply(
    batch: Batch | None, attrs: Sequence[str] | None, policy: Policy, now: float
) -> PurgeReply:
    if batch is None:
        return PurgeReply(0, jobs=None if attrs is None else [])
    shown = None
    if attrs is not None:
        gone = set(batch.record.jobs)
        shown = [
            _shown(job, batch.rows[job.id], attrs, reason(batch.counts, policy, job, now))
            for job in batch.jobs
            if job.id in gone
        ]
    return PurgeReply(len(batch.record.jobs), batch.record.seq, shown)


def _shown(job: Candidate, row: InactiveRow, attrs: Sequence[str], why: str) -> Mapping[str, Any]:
    return attributes(rows.replay(row), attrs) | {"t_clean": job.t_clean, "reason": why}
