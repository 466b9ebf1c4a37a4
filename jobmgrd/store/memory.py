"""The store in memory, for tests of what stands before it: the port's semantics and no file.

What it keeps outlives close(), so that opening it again is a restart of the daemon.
"""

import asyncio
import errno
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from heapq import nlargest
from typing import TypeVar

from msgspec.structs import replace

from jobmgrd.jobs.match import assume, predicate
from jobmgrd.jobs.retention import HELD, History, Limits
from jobmgrd.store.epoch import new_epoch
from jobmgrd.store.listed import describe
from jobmgrd.store.memory_history import MemoryHistory, candidate
from jobmgrd.store.port import (
    ActiveRow,
    Changes,
    Classify,
    Count,
    Decide,
    Facts,
    InactiveRow,
    Listed,
    Orphan,
    Pin,
    PurgeRecord,
    Query,
    Recovered,
    StoreError,
    StoreStats,
    Streams,
    Tombstone,
    Total,
)
from jobmgrd.store.rows import replay
from protocol.constraint import TRUE
from protocol.job import State

T = TypeVar("T")

_DAY = 86400


class MemoryStore:
    """A jobmgrd.store.port.Store. While `fault` is set, every write and purge fails with it."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.fault: StoreError | None = None
        self._clock = clock
        self._open = False
        self._active: dict[int, ActiveRow] = {}
        self._inactive: dict[int, InactiveRow] = {}
        self._history = MemoryHistory(self._inactive)
        self._output: dict[int, list[bytes]] = {}
        self._input: dict[int, list[bytes]] = {}
        self._pins: dict[int, Pin] = {}
        self._orphans: dict[int, Orphan] = {}
        self._meta: dict[str, bytes] = {}
        self._tombstones: dict[int, Tombstone] = {}  # the oldest purges first
        self._tombstone_limits = Limits()
        self._purge_log: list[PurgeRecord] = []
        self._totals: Counter[tuple[int, str, int]] = Counter()
        self._published = 0
        self._max_jobid = 0
        self._commits = 0
        self._epoch = new_epoch()

    async def open(self) -> Recovered:
        """Begin, or begin again; see the port."""
        self._open = True
        return Recovered(
            active=sorted(self._active.values(), key=lambda row: row.id),
            pins=sorted(self._pins.values(), key=lambda pin: pin.id),
            max_jobid=self._max_jobid,
            meta=dict(self._meta),
            epoch=self._epoch,
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
            self._input.pop(job.id, None)
            facts = (row.result, row.t_clean, row.userid, row.fate)
            self._tombstones[job.id] = Tombstone(job.id, seq, now, reason, *facts)
        record = PurgeRecord(seq, now, tuple(job.id for job in jobs), reason, userid)
        self._purge_log.append(record)
        self._commits += 1
        self._forget()
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

    async def submitted(self, userid: int, limit: int) -> Sequence[int]:
        """The ids of a user's inactive jobs; see the port."""
        self._check_open()
        return nlargest(limit, (r.id for r in self._inactive.values() if r.userid == userid))

    async def list(self, query: Query, page: int) -> AsyncGenerator[Sequence[Listed], None]:
        """Inactive jobs page by page; see the port."""
        self._check_open()
        constraint = assume(query.constraint, State.INACTIVE)
        matches = predicate(constraint)
        kept = (row for row in self._inactive.values() if row.t_clean > query.since)
        found = [
            row
            for row in sorted(kept, key=lambda row: (row.t_clean, row.id), reverse=True)
            if constraint == TRUE or matches(replay(row))
        ]
        for first in range(0, len(found), page):
            yield describe(found[first : first + page], query.attrs)

    async def counts(self) -> Sequence[Count]:
        """The jobs that ended and those that are kept; see the port."""
        self._check_open()
        kept = Counter((row.queue, row.result) for row in self._inactive.values())
        ended: Counter[tuple[str, int]] = Counter()
        for (_day, queue, result), n in self._totals.items():
            ended[queue, result] += n
        return [Count(*key, n, kept[key]) for key, n in sorted(ended.items())]

    async def rows(self, ids: Sequence[int]) -> Sequence[InactiveRow]:
        """Several inactive jobs; see the port."""
        self._check_open()
        return [self._inactive[id] for id in dict.fromkeys(ids) if id in self._inactive]

    async def streams(self, ids: Sequence[int], room: int) -> Mapping[int, Streams]:
        """All output and input of several jobs; see the port."""
        self._check_open()
        found: dict[int, Streams] = {}
        for id in ids:
            output, given = (b"".join(kept.get(id, ())) for kept in (self._output, self._input))
            room -= len(output) + len(given)
            if room < 0 and found:
                break
            found[id] = Streams(output, given)
        return found

    async def output(self, id: int) -> bytes:
        """All output of a job; see the port."""
        self._check_open()
        return b"".join(self._output.get(id, ()))

    async def input(self, id: int) -> bytes:
        """All that is kept of a job's input; see the port."""
        self._check_open()
        return b"".join(self._input.get(id, ()))

    async def purge_log(self, since: int, limit: int) -> Sequence[PurgeRecord]:
        """Records of the purge log; see the port."""
        self._check_open()
        return self._purge_log[since : since + limit]

    async def reclass(self, after: int, limit: int, classify: Classify) -> int | None:
        """Class some jobs anew, in the order of their ids; see the port."""
        self._check_writable()
        page = sorted(id for id in self._inactive if id > after)[:limit]
        rows = [self._inactive[id] for id in page if self._inactive[id].rule != HELD]
        classes = [classify(Facts(row.id, row.result, row.queue, row.userid)) for row in rows]
        self._reclass({row.id: rule for row, rule in zip(rows, classes, strict=True)})
        self._commits += 1
        return page[-1] if len(page) == limit else None

    async def orphans(self) -> Sequence[Orphan]:
        """The records that were put aside; see the port."""
        self._check_open()
        return [self._orphans[id] for id in sorted(self._orphans)]

    async def drop_orphans(self, ids: Sequence[int]) -> int:
        """Erase orphans; see the port."""
        self._check_writable()
        gone = [id for id in dict.fromkeys(ids) if self._orphans.pop(id, None)]
        for id in gone:
            self._output.pop(id, None)
            self._input.pop(id, None)
        self._commits += 1
        return len(gone)

    def limit_tombstones(self, limits: Limits) -> None:
        """Bound the tombstones, at once; see the port."""
        self._check_open()
        self._tombstone_limits = limits
        self._forget()

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
            purge_log_from=1,
            tombstones=len(self._tombstones),
            orphans=len(self._orphans),
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
        for piece in changes.input:
            self._input.setdefault(piece.id, []).append(piece.data)
        for orphan in changes.orphans:
            self._active.pop(orphan.row.id, None)
            self._orphans[orphan.row.id] = orphan
        self._reclass(changes.rules)
        for id, pin in changes.pins.items():
            self._pins.pop(id, None)
            if pin:
                self._pins[id] = pin
        self._meta.update(changes.meta)
        self._published = max(self._published, changes.published)
        kept = [row.id for row in changes.active] + [row.id for row in changes.ended]
        self._max_jobid = max(self._max_jobid, *kept, 0)
        self._commits += 1

    def _reclass(self, rules: Mapping[int, int]) -> None:
        for job in self._history.find(rules):
            self._history.remove(job)
            self._history.add(job._replace(rule=rules[job.id]))
            self._inactive[job.id] = replace(self._inactive[job.id], rule=rules[job.id])

    def _forget(self) -> None:
        limits = self._tombstone_limits
        excess, cutoff = limits.excess(len(self._tombstones)), limits.cutoff(self._clock())
        for n, tombstone in enumerate(list(self._tombstones.values())):
            if n >= excess and tombstone.t_purged >= cutoff:
                break
            del self._tombstones[tombstone.id]

    def _check_open(self) -> None:
        if not self._open:
            raise StoreError(errno.ESHUTDOWN, "the store is not open")

    def _check_writable(self) -> None:
        self._check_open()
        if self.fault:
            raise self.fault
