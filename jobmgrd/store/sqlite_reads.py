"""Questions to the SQLite store, as functions of a connection."""

import sqlite3
from collections.abc import Mapping, Sequence
from heapq import nlargest
from itertools import groupby
from operator import itemgetter

from jobmgrd.jobs.retention import HELD
from jobmgrd.store import statements as sql
from jobmgrd.store.counters import Counters
from jobmgrd.store.epoch import EPOCH
from jobmgrd.store.port import (
    ActiveRow,
    Count,
    InactiveRow,
    Orphan,
    Pin,
    PurgeRecord,
    Recovered,
    Streams,
    Tombstone,
    Total,
)
from jobmgrd.store.sqlite_errors import escaped
from jobmgrd.store.sqlite_history import MAX_ID, id_array
from jobmgrd.store.tombstones import unpack_ids


def find(db: sqlite3.Connection, id: int) -> InactiveRow | Tombstone | None:
    """The inactive job, or what is left of it."""
    row = db.execute(sql.FIND_INACTIVE, (id,)).fetchone()
    if row:
        return InactiveRow(*row)
    row = db.execute(sql.FIND_TOMBSTONE, (id,)).fetchone()
    return Tombstone(*row) if row else None


def submitted(db: sqlite3.Connection, userid: int, limit: int) -> Sequence[int]:
    """The ids of a user's inactive jobs, the highest first."""
    return [id for (id,) in db.execute(sql.SUBMITTED, (MAX_ID, userid, limit))]


def recent(
    db: sqlite3.Connection, limit: int, before: float, before_id: int
) -> Sequence[InactiveRow]:
    """The last jobs to end: the heads of all classes, merged, then the rows of those chosen."""
    heads = [
        job
        for (rule,) in db.execute(sql.CLASSES).fetchall()
        for job in db.execute(sql.LATEST, (rule, before, before_id, limit))
    ]
    return [
        InactiveRow(*db.execute(sql.FIND_INACTIVE, (id,)).fetchone())
        for _, id in nlargest(limit, heads)
    ]


def rows(db: sqlite3.Connection, ids: Sequence[int]) -> Sequence[InactiveRow]:
    """Those of these jobs that are inactive."""
    return [InactiveRow(*row) for row in db.execute(sql.FIND_ROWS, (id_array(ids),))]


def streams(db: sqlite3.Connection, ids: Sequence[int], room: int) -> Mapping[int, Streams]:
    """All output and input of the first of these jobs, as many as fit."""
    found = dict.fromkeys(ids, Streams())
    for id, part in groupby(db.execute(sql.STREAMS, (id_array(ids),)), itemgetter(0)):
        pieces = [(n, data) for _, n, data in part]
        output = b"".join(data for n, data in pieces if n > 0)
        given = b"".join(data for n, data in reversed(pieces) if n < 0)
        found[id] = Streams(output, given)
        room -= len(output) + len(given)
        if room < 0:
            return {fits: found[fits] for fits in ids[: max(ids.index(id), 1)]}
    return found


def orphans(db: sqlite3.Connection) -> Sequence[Orphan]:
    """The records that were put aside."""
    return [Orphan(ActiveRow(*row[:5]), *row[5:]) for row in db.execute(sql.ORPHANS)]


def output(db: sqlite3.Connection, id: int) -> bytes:
    """All output of a job."""
    return b"".join(data for (data,) in db.execute(sql.OUTPUT, (id,)))


def input(db: sqlite3.Connection, id: int) -> bytes:
    """All that is kept of a job's input."""
    return b"".join(data for (data,) in db.execute(sql.INPUT, (id,)))


def purge_log(db: sqlite3.Connection, since: int, limit: int) -> list[PurgeRecord]:
    """Records with seq > since, in order."""
    return [
        PurgeRecord(seq, t, unpack_ids(jobs), reason, userid)
        for seq, t, jobs, reason, userid in db.execute(sql.PURGE_LOG, (since, limit))
    ]


def totals(db: sqlite3.Connection) -> list[Total]:
    """The jobs that ever ended, counted."""
    return [Total(*row) for row in db.execute(sql.TOTALS)]


def counts(db: sqlite3.Connection) -> list[Count]:
    """The jobs that ended and those that are kept, by queue and result."""
    return [Count(*row) for row in db.execute(sql.QUEUE_COUNTS)]


def counters(db: sqlite3.Connection) -> Counters:
    """The numbers that the writer goes on from."""
    classes = dict(db.execute(sql.ALL_CLASSES))
    numbers = dict(db.execute(sql.COUNTERS))
    (first_seq,) = db.execute(sql.FIRST_PURGE).fetchone()
    (seq,) = db.execute(sql.LAST_PURGE).fetchone()
    (last_ord,) = db.execute(sql.LAST_ORD).fetchone()
    (orphans,) = db.execute(sql.COUNT_ORPHANS).fetchone()
    return Counters(
        inactive=sum(classes.values()),
        held=classes.get(HELD, 0),
        purged=numbers["purged"],
        purge_seq=seq or 0,
        purge_log_from=first_seq or 1,
        forgotten=numbers["forgotten"],
        forgotten_seq=numbers["forgotten_seq"],
        orphans=orphans,
        last_ord=last_ord or 0,
    )


def recover(db: sqlite3.Connection) -> Recovered:
    """What the daemon starts from; every part is found by index.

    Values are as they are found. Text that is not UTF-8 shows its bytes escaped: it must not keep
    the rest from being read.
    """
    db.text_factory = escaped
    try:
        return _recover(db)
    finally:
        db.text_factory = str


def _recover(db: sqlite3.Connection) -> Recovered:
    numbers = dict(db.execute(sql.COUNTERS))
    meta = {name: _bytes(value) for name, value in db.execute(sql.META)}
    newest = (sql.MAX_ACTIVE, sql.MAX_ENDED, sql.MAX_ORPHAN)
    ids = [db.execute(text).fetchone()[0] or 0 for text in newest]
    return Recovered(
        active=[ActiveRow(*row) for row in db.execute(sql.ACTIVE)],
        pins=[Pin(*row) for row in db.execute(sql.PINS)],
        max_jobid=max(*ids, numbers["forgotten_id"]),
        epoch=meta.pop(EPOCH, b"").decode(errors="replace"),
        meta=meta,
        unpublished=purge_log(db, numbers["published"], -1),
    )


def _bytes(value: object) -> bytes:
    """A value of `meta`; none for one of another type, which its reader would not know."""
    return value if isinstance(value, bytes) else b""
