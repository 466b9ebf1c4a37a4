"""The store in memory, for tests of what stands before it: the port's semantics and no file.

What it keeps outlives close(), so that opening it again is a restart of the daemon.
"""

import asyncio
import errno
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import nlargest
from typing import TypeVar

from msgspec.structs import replace

from jobmgrd.jobs.retention import HELD, Candidate, History
from jobmgrd.store.port import (
    ActiveRow,
    Changes,
    Decide,
    InactiveRow,
    PurgeRecord,
    Recovered,
    StoreError,
    StoreStats,
    Tombstone,
    Total,
)

T = TypeVar("T")

_DAY = 86400


class MemoryHistory:
    """A jobmgrd.jobs.retention.History: a sorted list for each retention class."""

    def __init__(self, jobs: Mapping[int, InactiveRow]) -> None:
        self._jobs = jobs
        self._classes: dict[int, list[Candidate]] = {}

    def add(self, job: Candidate) -> None:
        """Let a job into its class."""
        insort(self._classes.setdefault(job.rule, []), job)

    def remove(self, job: Candidate) -> None:
        """Take a job out of its class."""
        jobs = self._classes[job.rule]
        del jobs[bisect_left(jobs, job)]

    def held(self) -> int:
        """The number of jobs that are in nobody's reach."""
        return len(self._classes.get(HELD, ()))

    def counts(self) -> Mapping[int, int]:
        """The number of jobs in each class that has any."""
        return {rule: len(jobs) for rule, jobs in self._classes.items() if rule != HELD and jobs}

    def oldest(self, rule: int, limit: int) -> Sequence[Candidate]:
        """At most `limit` jobs of a class, oldest first."""
        return self._classes.get(rule, [])[:limit]

    def count_before(self, rule: int, t: float) -> int:
        """How many jobs of a class have `t_clean` < t."""
        return bisect_left(self._classes.get(rule, []), t, key=lambda job: job.t_clean)

    def find(self, ids: Iterable[int]) -> Sequence[Candidate]:
        """Those of these jobs that are inactive, held or not."""
        return [candidate(self._jobs[id]) for id in dict.fromkeys(ids) if id in self._jobs]


class MemoryStore:
    """A jobmgrd.store.port.Store. While `fault` is set, every write and purge fails with it."""

    def __init__(self) -> None:
        self.fault: StoreError | None = None
        self._open = False
        self._active: dict[int, ActiveRow] = {}
        self._inactive: dict[int, InactiveRow] = {}
        self._history = MemoryHistory(self._inactive)
        self._output: dict[int, list[bytes]] = {}
        self._meta: dict[str, bytes] = {}
        self._tombstones: dict[int, Tombstone] = {}
        self._purge_log: list[PurgeRecord] = []
        self._totals: Counter[tuple[int, str, int]] = Counter()
        self._published = 0
        self._max_jobid = 0
        self._commits = 0

    async def open(self) -> Recovered:
        """Begin, or begin again; see the port."""
        self._open = True
        return Recovered(
            active=sorted(self._active.values(), key=lambda row: row.id),
            max_jobid=self._max_jobid,
            meta=dict(self._meta),
            unpublished=await self.purge_log(self._published, len(self._purge_log)),
        )

    def write(self, changes: Changes) -> "asyncio.Future[None]":
        """Keep changes; see the port."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            self._write(changes)
        except StoreError as error:
            future.set_exception(error)
        else:
            future.set_result(None)
        return future

    async def purge(
        self, decide: Decide, *, now: float, reason: str, userid: int
    ) -> PurgeRecord | None:
        """Remove the jobs that `decide` chooses; see the port."""
        self._check_writable()
        chosen = [job.id for job in decide(self._history)]
        jobs = self._history.find(chosen)
        if not jobs:
            return None
        seq = len(self._purge_log) + 1
        for job in jobs:
            row = self._inactive.pop(job.id)
            self._history.remove(job)
            self._output.pop(job.id, None)
            self._tombstones[job.id] = Tombstone(job.id, seq, now, reason, row.result, row.t_clean)
        record = PurgeRecord(seq, now, tuple(job.id for job in jobs), reason, userid)
        self._purge_log.append(record)
        self._commits += 1
        return record

    async def inspect(self, question: Callable[[History], T]) -> T:
        """Answer a question about the history; see the port."""
        self._check_open()
        return question(self._history)

    async def find(self, id: int) -> InactiveRow | Tombstone | None:
        """The inactive job or its tombstone; see the port."""
        self._check_open()
        return self._inactive.get(id) or self._tombstones.get(id)

    async def recent(
        self, limit: int, before: float = float("inf"), before_id: int = 0
    ) -> Sequence[InactiveRow]:
        """The last jobs to end; see the port."""
        self._check_open()
        rows = (r for r in self._inactive.values() if (r.t_clean, r.id) < (before, before_id))
        return nlargest(limit, rows, key=lambda row: (row.t_clean, row.id))

    async def output(self, id: int) -> bytes:
        """All output of a job; see the port."""
        self._check_open()
        return b"".join(self._output.get(id, ()))

    async def purge_log(self, since: int, limit: int) -> Sequence[PurgeRecord]:
        """Records of the purge log; see the port."""
        self._check_open()
        return self._purge_log[since : since + limit]

    async def totals(self) -> Sequence[Total]:
        """The jobs that ever ended, counted; see the port."""
        self._check_open()
        return [Total(*key, n) for key, n in sorted(self._totals.items())]

    def stats(self) -> StoreStats:
        """Counters as of the last commit; there is no file, so no size."""
        self._check_open()
        return StoreStats(
            inactive=len(self._inactive),
            held=self._history.held(),
            purged=sum(len(record.jobs) for record in self._purge_log),
            purge_seq=len(self._purge_log),
            commits=self._commits,
            commit_seconds=0.0,
            size=0,
            free=0,
        )

    async def close(self) -> None:
        """Refuse everything until it is opened again. Idempotent."""
        self._open = False

    def _write(self, changes: Changes) -> None:
        self._check_writable()
        for ended in changes.ended:
            if ended.id in self._inactive:
                raise StoreError(errno.EEXIST, f"job {ended.id} has ended before")
        for active in changes.active:
            self._active[active.id] = active
        for ended in changes.ended:
            self._active.pop(ended.id, None)
            self._inactive[ended.id] = ended
            self._history.add(candidate(ended))
            self._totals[int(ended.t_clean // _DAY), ended.queue, ended.result] += 1
        for piece in changes.output:
            self._output.setdefault(piece.id, []).append(piece.data)
        for job in self._history.find(changes.rules):
            self._history.remove(job)
            self._history.add(job._replace(rule=changes.rules[job.id]))
            self._inactive[job.id] = replace(self._inactive[job.id], rule=changes.rules[job.id])
        self._meta.update(changes.meta)
        self._published = max(self._published, changes.published)
        kept = [row.id for row in changes.active] + [row.id for row in changes.ended]
        self._max_jobid = max(self._max_jobid, *kept, 0)
        self._commits += 1

    def _check_open(self) -> None:
        if not self._open:
            raise StoreError(errno.ESHUTDOWN, "the store is not open")

    def _check_writable(self) -> None:
        self._check_open()
        if self.fault:
            raise self.fault


def candidate(row: InactiveRow) -> Candidate:
    """An inactive job as decisions see it."""
    return Candidate(row.t_clean, row.id, row.rule)
