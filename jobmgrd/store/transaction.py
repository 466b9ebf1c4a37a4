"""What one transaction of the writer does: changes merged and kept, purges decided and carried out.

Changes are gathered until something must see them, so that of a job that changes ten times in a
group only its last row is written.
"""

import sqlite3
from array import array
from collections import Counter
from collections.abc import Iterable
from typing import Final

from msgspec import Struct
from msgspec.structs import astuple, replace

from jobmgrd.jobs.retention import HELD, Candidate
from jobmgrd.store import statements as sql
from jobmgrd.store.port import (
    ActiveRow,
    Changes,
    Decide,
    InactiveRow,
    PurgeRecord,
)
from jobmgrd.store.sqlite_history import SqliteHistory, id_array

PURGE_LOG_KEPT: Final = 100_000
"""Records that keep their list of jobs; older ones still say when and why."""

_DAY: Final = 86400


class Counters(Struct):
    """Numbers of the store that are kept in memory; a transaction changes its own copy."""

    inactive: int = 0
    held: int = 0
    purged: int = 0
    purge_seq: int = 0
    last_ord: int = 0


class Transaction:
    """The operations of one BEGIN ... COMMIT; the caller does those two and flush() before."""

    def __init__(self, db: sqlite3.Connection, counters: Counters) -> None:
        self.counters = replace(counters)
        self._db = db
        self._history = SqliteHistory(db)
        self._active: dict[int, ActiveRow] = {}
        self._ended: dict[int, InactiveRow] = {}
        self._output: dict[int, list[bytes]] = {}
        self._rules: dict[int, int] = {}
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
        self._rules.update(changes.rules)
        self._meta.update(changes.meta)
        self._published = max(self._published, changes.published)

    def purge(
        self, decide: Decide, now: float, reason: str, userid: int
    ) -> PurgeRecord | Exception | None:
        """Remove what `decide` chooses; an exception of its own is returned, nothing is changed."""
        self.flush()
        try:
            chosen = decide(self._history)
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 - it is the caller's, who gets it
            return error
        if not chosen:
            return None
        return self._remove({job.id: job for job in chosen}, now, reason, userid)

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
        if self._rules:
            self._reclass(self._rules)
            self._rules = {}
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
        self._db.executemany(
            sql.PUT_ENDED, ((row.id, row.t_clean, row.result, row.rule, n) for n, row in numbered)
        )
        self._db.executemany(sql.PUT_INACTIVE, (_wide(n, row) for n, row in numbered))
        self.counters.last_ord += len(numbered)
        self._count(Counter(row.rule for row in rows))
        totals = Counter((int(row.t_clean // _DAY), row.queue, row.result) for row in rows)
        self._db.executemany(sql.ADD_TOTAL, ((*key, n) for key, n in totals.items()))

    def _reclass(self, rules: dict[int, int]) -> None:
        moves = [job for job in self._history.find(list(rules)) if job.rule != rules[job.id]]
        self._db.executemany(sql.SET_RULE, [(rules[job.id], job.id) for job in moves])
        classes = Counter(rules[job.id] for job in moves)
        classes.subtract(job.rule for job in moves)
        self._count(classes)

    def _count(self, classes: Counter[int]) -> None:
        """Add to the number of jobs in each class; a number may be negative."""
        self._db.executemany(sql.ADD_CLASS, classes.items())
        self.counters.inactive += classes.total()
        self.counters.held += classes[HELD]

    def _remove(
        self, jobs: dict[int, Candidate], now: float, reason: str, userid: int
    ) -> PurgeRecord | None:
        seq = self.counters.purge_seq + 1
        ids = id_array(sorted(jobs))
        removed = self._db.execute(sql.DROP_INACTIVE, (ids,)).rowcount
        if removed < len(jobs):
            there = {job.id for job in self._history.find(list(jobs))}
            jobs = {id: job for id, job in jobs.items() if id in there}
        if not jobs:
            return None
        self._db.execute(sql.BURY, (seq, ids))
        self._db.execute(sql.DROP_OUTPUT, (ids,))
        self._count(Counter({k: -n for k, n in Counter(j.rule for j in jobs.values()).items()}))
        self._db.execute(sql.ADD_PURGED, (len(jobs),))
        self._db.execute(sql.LOG_PURGE, (seq, now, reason, userid, pack_ids(jobs)))
        self._db.execute(sql.TRIM_PURGE_LOG, (seq - PURGE_LOG_KEPT,))
        self.counters.purge_seq = seq
        self.counters.purged += len(jobs)
        return PurgeRecord(seq, now, tuple(jobs), reason, userid)


def _wide(place: int, row: InactiveRow) -> tuple[object, ...]:
    return (
        place,
        row.userid,
        row.urgency,
        row.priority,
        row.t_submit,
        row.t_run,
        row.t_cleanup,
        row.status,
        row.name,
        row.queue,
        row.jobspec,
        row.R,
        row.eventlog,
    )


def pack_ids(ids: Iterable[int]) -> bytes:
    """Ids as purge_log keeps them: int64, in order."""
    return array("q", ids).tobytes()


def unpack_ids(data: bytes) -> tuple[int, ...]:
    """The ids of a purge_log record."""
    ids = array("q")
    ids.frombytes(data)
    return tuple(ids)
