"""What one transaction of the writer does: changes merged and kept, purges decided and carried out.

Changes are gathered until something must see them, so that of a job that changes ten times in a
group only its last row is written.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from msgspec.structs import astuple, replace

from jobmgrd.jobs.retention import HELD, Limits
from jobmgrd.store import statements as sql
from jobmgrd.store.counters import Counters
from jobmgrd.store.port import (
    ActiveRow,
    Changes,
    Classify,
    Decide,
    Facts,
    InactiveRow,
    Orphan,
    Pin,
    PurgeRecord,
)
from jobmgrd.store.sqlite_history import Given, SqliteHistory, id_array
from jobmgrd.store.tombstones import erase, forget, pack_ids, trim_log

T = TypeVar("T")

_DAY: Final = 86400


class Transaction:
    """The operations of one BEGIN ... COMMIT; the caller does those two and flush() before."""

    def __init__(
        self, db: sqlite3.Connection, counters: Counters, clock: Callable[[], float]
    ) -> None:
        self.counters = replace(counters)
        self._db = db
        self._clock = clock
        self._active: dict[int, ActiveRow] = {}
        self._ended: dict[int, InactiveRow] = {}
        self._output: dict[int, list[bytes]] = {}
        self._input: dict[int, list[bytes]] = {}
        self._rules: dict[int, int] = {}
        self._pins: dict[int, Pin | None] = {}
        self._orphans: dict[int, Orphan] = {}
        self._meta: dict[str, bytes] = {}
        self._published = 0

    def write(self, changes: Changes) -> None:
        """Add changes to what the next flush keeps."""
        for active in changes.active:
            self._active[active.id] = active
        for ended in changes.ended:
            if ended.id in self._ended:
                self.flush()  # and let the unique index refuse it
            self._active.pop(ended.id, None)
            self._ended[ended.id] = ended
        for piece in changes.output:
            self._output.setdefault(piece.id, []).append(piece.data)
        for piece in changes.input:
            self._input.setdefault(piece.id, []).append(piece.data)
        for orphan in changes.orphans:
            self._active.pop(orphan.row.id, None)
            self._orphans[orphan.row.id] = orphan
        self._rules.update(changes.rules)
        self._pins.update(changes.pins)
        self._meta.update(changes.meta)
        self._published = max(self._published, changes.published)

    def purge(
        self, decide: Decide, now: float, reason: str, userid: int
    ) -> PurgeRecord | Exception | None:
        """Remove what `decide` chooses; an exception of its own is returned, nothing is changed."""
        self.flush()
        history = SqliteHistory(self._db)
        chosen = _ask(lambda: decide(history))
        if isinstance(chosen, Exception):
            return chosen
        jobs = {job.id: history.given[job.id] for job in chosen if job.id in history.given}
        if not jobs:
            return None
        record = self._remove(jobs, now, reason, userid)
        self.forget()
        return record

    def forget(self) -> None:
        """Trim some of the tombstones that are over the limits."""
        forget(self._db, self.counters, self._clock())
        trim_log(self._db, self.counters)

    def limit_tombstones(self, limits: Limits) -> None:
        """Set what forget() goes by, here and in later transactions."""
        self.counters.tombstone_limits = limits

    def reclass(self, after: int, limit: int, classify: Classify) -> int | Exception | None:
        """Class the jobs among the next `limit` narrow rows anew, tombstones passed over."""
        self.flush()
        rows = self._db.execute(sql.FACTS, (after, limit)).fetchall()
        jobs = {id: rule for id, *_, rule, seq in rows if seq is None and rule != HELD}
        facts = [Facts(*row[:4]) for row in rows if row[0] in jobs]
        classes = _ask(lambda: [classify(fact) for fact in facts])
        if isinstance(classes, Exception):
            return classes
        self._move(jobs, dict(zip(jobs, classes, strict=True)))
        return int(rows[-1][0]) if len(rows) == limit else None

    def drop_orphans(self, ids: Sequence[int]) -> int:
        """Erase these orphans and their output; how many there were."""
        self.flush()
        gone = [id for (id,) in self._db.execute(sql.DROP_ORPHANS, (id_array(ids),))]
        if gone:
            erase(self._db, sql.DROP_OUTPUT, gone)
            self.counters.orphans -= len(gone)
        return len(gone)

    def flush(self) -> None:
        """Put all changes gathered so far into the tables."""
        if self._active:
            self._db.executemany(sql.PUT_ACTIVE, map(astuple, self._active.values()))
            self._active = {}
        if self._ended:
            self._end(self._ended)
            self._ended = {}
        if self._output:
            pieces = ((id, b"".join(data)) for id, data in self._output.items())
            self._db.executemany(sql.PUT_OUTPUT, pieces)
            self._output = {}
        if self._input:
            pieces = ((id, b"".join(data)) for id, data in self._input.items())
            self._db.executemany(sql.PUT_INPUT, pieces)
            self._input = {}
        if self._rules:
            self._reclass(self._rules)
            self._rules = {}
        if self._pins:
            self._pin(self._pins)
            self._pins = {}
        if self._orphans:
            self._put_aside(self._orphans)
            self._orphans = {}
        if self._meta:
            self._db.executemany(sql.PUT_META, self._meta.items())
            self._meta = {}
        if self._published:
            self._db.execute(sql.PUBLISHED, (self._published,))
            self._published = 0

    def _end(self, ended: dict[int, InactiveRow]) -> None:
        rows = ended.values()
        self._db.execute(sql.DROP_ACTIVE, (id_array(ended),))
        numbered = list(enumerate(rows, self.counters.last_ord + 1))
        self._db.executemany(sql.PUT_ENDED, (_narrow(n, row) for n, row in numbered))
        self._db.executemany(sql.PUT_INACTIVE, (_wide(n, row) for n, row in numbered))
        self.counters.last_ord += len(numbered)
        self._count(Counter(row.rule for row in rows))
        queues = Counter((row.queue, row.result) for row in rows)
        self._db.executemany(sql.ADD_QUEUE, ((*key, n, n) for key, n in queues.items()))
        totals = Counter((int(row.t_clean // _DAY), row.queue, row.result) for row in rows)
        self._db.executemany(sql.ADD_TOTAL, ((*key, n) for key, n in totals.items()))

    def _reclass(self, rules: dict[int, int]) -> None:
        found = SqliteHistory(self._db).find(list(rules))
        self._move({job.id: job.rule for job in found}, rules)

    def _move(self, before: Mapping[int, int], after: Mapping[int, int]) -> None:
        """Bring inactive jobs from the classes they are in to others."""
        moves: defaultdict[int, list[int]] = defaultdict(list)
        classes: Counter[int] = Counter()
        for id, rule in before.items():
            if after[id] != rule:
                moves[after[id]].append(id)
                classes[rule] -= 1
        for rule, ids in moves.items():
            self._db.execute(sql.SET_RULE, (rule, id_array(ids)))
            classes[rule] += len(ids)
        self._count(classes)

    def _pin(self, pins: Mapping[int, Pin | None]) -> None:
        self._db.execute(sql.DROP_PIN, (id_array(id for id, pin in pins.items() if not pin),))
        self._db.executemany(sql.PUT_PIN, [astuple(pin) for pin in pins.values() if pin])

    def _put_aside(self, orphans: Mapping[int, Orphan]) -> None:
        self._db.execute(sql.DROP_ACTIVE, (id_array(orphans),))
        rows = [(*astuple(orphan.row), orphan.reason, orphan.t) for orphan in orphans.values()]
        self._db.executemany(sql.PUT_ORPHAN, rows)
        (self.counters.orphans,) = self._db.execute(sql.COUNT_ORPHANS).fetchone()

    def _count(self, classes: Counter[int]) -> None:
        """Add to the number of jobs in each class; a number may be negative."""
        self._db.executemany(sql.ADD_CLASS, classes.items())
        self.counters.inactive += classes.total()
        self.counters.held += classes[HELD]

    def _remove(
        self, jobs: Mapping[int, Given], now: float, reason: str, userid: int
    ) -> PurgeRecord:
        seq = self.counters.purge_seq + 1
        ids = id_array(jobs)
        self._db.execute(sql.DROP_INACTIVE, (id_array(job.ord for job in jobs.values()),))
        self._db.execute(sql.BURY, (seq, ids))
        self._db.execute(sql.DROP_OUTPUT, (ids,))
        queues = Counter((job.queue, job.result) for job in jobs.values())
        self._db.executemany(sql.ADD_QUEUE, ((*key, 0, -n) for key, n in queues.items()))
        rules = Counter(job.rule for job in jobs.values())
        self._count(Counter({rule: -n for rule, n in rules.items()}))
        self._db.execute(sql.ADD_PURGED, (len(jobs),))
        self._db.execute(sql.LOG_PURGE, (seq, now, reason, userid, pack_ids(jobs)))
        self.counters.purge_seq = seq
        self.counters.purged += len(jobs)
        return PurgeRecord(seq, now, tuple(jobs), reason, userid)


def _ask(question: Callable[[], T]) -> T | Exception:
    """An exception of the caller's own is its answer, and fails nobody else in the group."""
    try:
        return question()
    except sqlite3.Error:
        raise
    except Exception as error:  # noqa: BLE001 - it is the caller's, who gets it
        return error


def _narrow(place: int, row: InactiveRow) -> tuple[object, ...]:
    return (row.id, row.t_clean, row.result, row.rule, place, row.userid, row.queue, row.fate)


def _wide(place: int, row: InactiveRow) -> tuple[object, ...]:
    return (
        place,
        row.urgency,
        row.priority,
        row.t_submit,
        row.t_depend,
        row.t_priority,
        row.t_sched,
        row.t_run,
        row.t_cleanup,
        row.status,
        row.name,
        row.attrs,
        row.jobspec,
        row.R,
        row.eventlog,
    )
