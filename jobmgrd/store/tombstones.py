"""Tombstones of the SQLite store: purges find theirs by the log, which tells the oldest first."""

import sqlite3
from array import array
from collections.abc import Iterable
from typing import Final

from jobmgrd.store import statements as sql
from jobmgrd.store.counters import Counters
from jobmgrd.store.sqlite_history import id_array

FORGET_MAX: Final = 200
"""Tombstones that one transaction trims: twice what a purge adds, so that a backlog shrinks."""

PURGE_LOG_KEPT: Final = 100_000
"""Records that the purge log keeps even if no tombstone is left of their jobs."""


def forget(db: sqlite3.Connection, counters: Counters, now: float) -> None:
    """Trim a few of the tombstones that are over the limits, then the records that explain none."""
    if not counters.may_forget:
        return
    limits = counters.tombstone_limits
    before = counters.forgotten
    room = FORGET_MAX
    while room and (record := _oldest(db, counters.forgotten_seq)):
        seq, t, ids = record
        excess = limits.excess(counters.tombstones)
        old = t < limits.cutoff(now)
        if not old and not excess:
            break
        gone = ids[: room if old else min(excess, room)]
        erase(db, sql.FORGET, gone)
        room -= len(gone)
        counters.forgotten += len(gone)
        if len(gone) == len(ids):
            counters.forgotten_seq = seq
    if counters.forgotten > before:
        db.execute(sql.ADD_FORGOTTEN, (counters.forgotten - before,))
        db.execute(sql.FORGOTTEN_SEQ, (counters.forgotten_seq,))


def trim_log(db: sqlite3.Connection, counters: Counters) -> None:
    """Drop the records of long ago that no tombstone needs."""
    last = min(counters.forgotten_seq, counters.purge_seq - PURGE_LOG_KEPT)
    if last >= counters.purge_log_from:
        db.execute(sql.TRIM_PURGE_LOG, (last,))
        counters.purge_log_from = last + 1


def erase(db: sqlite3.Connection, statement: str, ids: list[int]) -> None:
    """Delete rows of which nothing is left, but that their ids are never given out again."""
    db.execute(statement, (id_array(ids),))
    db.execute(sql.FORGOTTEN_ID, (max(ids, default=0),))


def _oldest(db: sqlite3.Connection, forgotten_seq: int) -> tuple[int, float, list[int]] | None:
    """The oldest purge that has tombstones, and the ids of these."""
    record = db.execute(sql.OLDEST_PURGE, (forgotten_seq,)).fetchone()
    if record is None:
        return None
    seq, t, jobs = record
    ids = unpack_ids(jobs)
    left = {id for (id,) in db.execute(sql.BURIED, (id_array(ids), seq))}
    return seq, t, [id for id in ids if id in left]


def pack_ids(ids: Iterable[int]) -> bytes:
    """Ids as purge_log keeps them: int64, in order."""
    return array("q", ids).tobytes()


def unpack_ids(data: bytes) -> tuple[int, ...]:
    """The ids of a purge_log record."""
    ids = array("q")
    ids.frombytes(data)
    return tuple(ids)
