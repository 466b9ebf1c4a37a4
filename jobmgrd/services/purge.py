"""job-manager.purge, purge-id: remove old inactive jobs, on request and by heartbeat (purge.c).

A batch goes this way, and a crash between any two steps loses nothing:

    choose -> archive is durable -> one transaction: choose again, of those archived -> announce
    -> answer

The second choice is the one that counts: it is made inside the transaction, so that any number of
purgers at once stay exact. Without an archive the first two steps fall away.
"""

import asyncio
import errno
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import structlog
from msgspec import Struct

from jobmgrd.archive.port import Archive, ArchiveError
from jobmgrd.archive.record import archived
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
from jobmgrd.router import OWNER, Call, Route
from jobmgrd.services.lookup import active_job, missing
from jobmgrd.services.purge_log import PurgeLog
from jobmgrd.services.retention import Retention
from jobmgrd.store import rows
from jobmgrd.store.port import Decide, InactiveRow, PurgeRecord, Store, StoreError
from protocol.errors import RpcError
from protocol.job_manager import PurgeIdRequest, PurgeReply, PurgeRequest, PurgeStats

log = structlog.get_logger()

BY_REQUEST: Final = "purge"
BY_ID: Final = "purge-id"
BY_LIMIT: Final = "limit"
ARCHIVED_AT_ONCE: Final = 25
"""Jobs whose output is in memory at the same time, on its way to the archive."""
LIST_MAX: Final = 1000
"""Jobs that a dry run lists at most."""


class Run(Struct, frozen=True):
    """What the last heartbeat's run found; rates are jobs a second, times UNIX time or seconds."""

    backlog: int = 0
    lag: float = 0.0
    rate: float = 0.0
    blocked: str = ""


class Purge:
    """The RPCs, and the heartbeat's runs."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        retention: Retention,
        purge_log: PurgeLog,
        archive: Archive | None,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        clock: Callable[[], float],
        *,
        userid: int,
    ) -> None:
        self._engine = engine
        self._store = store
        self._retention = retention
        self._log = purge_log
        self._archive = archive
        self._spawn = spawn
        self._clock = clock
        self._userid = userid
        self._budget = 0.0
        self._running = False
        self._last = 0.0
        self._run = Run()

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("job-manager.purge", PurgeRequest, self.purge, role=OWNER),
            Route("job-manager.purge-id", PurgeIdRequest, self.purge_id, role=OWNER),
        ]

    def configure(self, budget: float) -> None:
        """Set how many seconds a heartbeat's run may take."""
        self._budget = budget

    def stats(self) -> PurgeStats:
        """Counters for stats-get."""
        stats = self._store.stats()
        limits = self._retention.policy.limits
        return PurgeStats(
            seq=stats.purge_seq,
            total=stats.purged,
            last=self._last,
            running=self._running,
            age_limit=limits.age,
            num_limit=limits.num,
            backlog=self._run.backlog,
            lag=self._run.lag,
            rate=self._run.rate,
            blocked=self._run.blocked,
            tombstones=stats.tombstones,
            pins=self._retention.pins,
            reclassing=not self._retention.complete,
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
        batch = await self._purge(choose, BY_REQUEST, call.cred.userid, request.attrs is not None)
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
        batch = await self._purge(partial(_all_of, rest), BY_ID, call.cred.userid, rows=False)
        return PurgeReply(gone + len(rest), batch.record.seq if batch else None)

    async def _require_inactive(self, id: int) -> None:
        found = await self._store.find(id)
        if not isinstance(found, InactiveRow):
            raise missing(found, "id not found")

    # --- heartbeats -------------------------------------------------------------------------

    def on_heartbeat(self) -> None:
        """Start a run, unless one is under way or nothing can be eligible."""
        if self._running or self._retention.policy.unlimited:
            return
        if not self._retention.complete:
            self._run = Run(blocked="jobs are being classed by new retention rules")
        else:
            self._running = True
            self._spawn(self._run_batches())

    async def _run_batches(self) -> None:
        """Take batches while jobs are eligible and the budget lasts."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        total, blocked, more = 0, "", True
        try:
            while more and loop.time() < begin + self._budget:
                choose = partial(
                    select, policy=self._retention.policy, now=self._clock(), batch=BATCH_MAX
                )
                batch = await self._purge(choose, BY_LIMIT, self._userid, rows=False)
                total += len(batch.record.jobs) if batch else 0
                more = batch is not None
        except (StoreError, ArchiveError) as error:
            blocked = str(error)
            log.error("purge.failed", reason=blocked, errnum=error.errnum)
        finally:
            self._running = False
        rate = total / max(loop.time() - begin, 1e-6) if total else 0.0
        self._run = await self._look_back(rate, blocked) if more else Run(rate=rate)
        if total:
            log.debug("purge.run", jobs=total, rate=round(rate), backlog=self._run.backlog)

    async def _look_back(self, rate: float, blocked: str) -> Run:
        """What a run that did not finish left behind."""
        policy, now = self._retention.policy, self._clock()
        try:
            backlog, oldest = await self._store.inspect(
                lambda h: (count(h, policy, now), select(h, policy, now, 1))
            )
        except StoreError as error:
            return Run(rate=rate, blocked=blocked or str(error))
        lag = now - oldest[0].t_clean if oldest else 0.0
        return Run(backlog=backlog, lag=lag, rate=rate, blocked=blocked)

    # --- a batch ----------------------------------------------------------------------------

    async def _purge(self, choose: Decide, why: str, userid: int, rows: bool) -> "_Batch | None":
        """Purge one batch and announce it; None if nothing was chosen."""
        if self._archive is None and not rows:
            return await self._commit(choose, why, userid, {})
        while chosen := await self._store.inspect(choose):
            ids = [job.id for job in chosen]
            found = {row.id: row for row in await self._store.rows(ids)}
            await self._keep(list(found.values()))
            decide = partial(_only, choose, found)
            batch = await self._commit(decide, why, userid, found)
            if batch is not None:
                return batch
            # Others were faster and took all of them: look again.
        return None

    async def _keep(self, found: Sequence[InactiveRow]) -> None:
        if self._archive is None or not found:
            return
        now = self._clock()
        for start in range(0, len(found), ARCHIVED_AT_ONCE):
            group = found[start : start + ARCHIVED_AT_ONCE]
            outputs = await self._store.outputs([row.id for row in group])
            await self._archive.put([archived(row, outputs.get(row.id, b""), now) for row in group])

    async def _commit(
        self, decide: Decide, why: str, userid: int, found: Mapping[int, InactiveRow]
    ) -> "_Batch | None":
        now = self._clock()
        jobs: list[Candidate] = []
        counts: dict[int, int] = {}

        def decide_and_note(history: History) -> Sequence[Candidate]:
            jobs[:] = decide(history)
            if found:
                counts.update(history.counts())
            return jobs

        record = await asyncio.shield(
            asyncio.ensure_future(
                self._store.purge(decide_and_note, now=now, reason=why, userid=userid)
            )
        )
        if record is None:
            return None
        self._last = now
        self._log.announce(record)
        return _Batch(record, jobs, found, counts)


class _Batch(Struct, frozen=True):
    """A committed batch, and what it was decided by."""

    record: PurgeRecord
    jobs: Sequence[Candidate]
    rows: Mapping[int, InactiveRow]
    counts: Mapping[int, int]


def _only(
    choose: Decide, found: Mapping[int, InactiveRow], history: History
) -> Sequence[Candidate]:
    return [job for job in choose(history) if job.id in found]


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
    batch: _Batch | None, attrs: Sequence[str] | None, policy: Policy, now: float
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
