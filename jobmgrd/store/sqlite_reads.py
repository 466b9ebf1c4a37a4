"""Questions to the SQLite store, as functions of a connection."""

import sqlite3
from collections.abc import Sequence
from heapq import nlargest

from jobmgrd.jobs.retention import HELD
from jobmgrd.store import statements as sql
from jobmgrd.store.port import (
    ActiveRow,
    InactiveRow,
    PurgeRecord,
    Recovered,
    Tombstone,
    Total,
)
from jobmgrd.store.transaction import Counters, unpack_ids


def find(db: sqlite3.Connection, id: int) -> InactiveRow | Tombstone | None:
    """The inactive job, or what is left of it."""
    row = db.execute(sql.FIND_INACTIVE, (id,)).fetchone()
    if row:
        return InactiveRow(*row)
    row = db.execute(sql.FIND_TOMBSTONE, (id,)).fetchone()
    return Tombstone(*row) if row else None


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


def output(db: sqlite3.Connection, id: int) -> bytes:
    """All output of a job."""
    return b"".join(data for (data,) in db.execute(sql.OUTPUT, (id,)))


def purge_log(db: sqlite3.Connection, since: int, limit: int) -> list[PurgeRecord]:
    """Records with seq > since that still know their jobs."""
    return [
        PurgeRecord(seq, t, unpack_ids(jobs), reason, userid)
        for seq, t, jobs, reason, userid in db.execute(sql.PURGE_LOG, (since, limit))
    ]


def totals(db: sqlite3.Connection) -> list[Total]:
    """The jobs that ever ended, counted."""
    return [Total(*row) for row in db.execute(sql.TOTALS)]


def counters(db: sqlite3.Connection) -> Counters:
    """The numbers that the writer goes on from."""
    classes = dict(db.execute(sql.ALL_CLASSES))
    (seq,) = db.execute(sql.LAST_PURGE).fetchone()
    (last_ord,) = db.execute(sql.LAST_ORD).fetchone()
    return Counters(
        inactive=sum(classes.values()),
        held=classes.get(HELD, 0),
        purged=dict(db.execute(sql.COUNTERS))["purged"],
        purge_seq=seq or 0,
        last_ord=last_ord or 0,
    )


def recover(db: sqlite3.Connection) -> Recovered:
    """What the daemon starts from; every part is found by index."""
    numbers = dict(db.execute(sql.COUNTERS))
    newest = [db.execute(text).fetchone()[0] or 0 for text in (sql.MAX_ACTIVE, sql.MAX_ENDED)]
    return Recovered(
        active=[ActiveRow(*row) for row in db.execute(sql.ACTIVE)],
        max_jobid=max(newest),
        meta=dict(db.execute(sql.META)),
        unpublished=purge_log(db, numbers["published"], -1),
    )
