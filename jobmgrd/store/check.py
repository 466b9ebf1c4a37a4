"""Whether a store is sound: SQLite's own check of the file, then what the daemon relies on.

Reads one snapshot, so a daemon may write meanwhile; changes nothing.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from msgspec import Struct

from jobmgrd.store import rows
from jobmgrd.store import sqlite_reads as reads
from jobmgrd.store.damage import damage_of
from jobmgrd.store.schema import FORMAT, VERSION, connect
from jobmgrd.store.sqlite_errors import store_error
from jobmgrd.store.version import version_of

_LAWS: Final[Mapping[str, str]] = {
    "ended jobs whose record is missing": (
        "SELECT count(*) FROM ended WHERE seq IS NULL AND ord NOT IN (SELECT ord FROM inactive)"
    ),
    "records of no ended job": (
        "SELECT count(*) FROM inactive"
        " WHERE ord NOT IN (SELECT ord FROM ended WHERE ord IS NOT NULL)"
    ),
    "jobs that are both active and ended": (
        "SELECT count(*) FROM active WHERE id IN (SELECT id FROM ended)"
    ),
    "purged jobs without a record of their purge": (
        "SELECT count(*) FROM ended"
        " WHERE seq IS NOT NULL AND seq NOT IN (SELECT seq FROM purge_log)"
    ),
    "outputs of no job": (
        "SELECT count(DISTINCT id) FROM output WHERE id NOT IN (SELECT id FROM active)"
        " AND id NOT IN (SELECT id FROM orphan)"
        " AND id NOT IN (SELECT id FROM ended WHERE seq IS NULL)"
    ),
    "ended jobs with values of the wrong type": (
        "SELECT count(*) FROM ended WHERE seq IS NULL AND"
        " (typeof(result), typeof(rule), typeof(userid), typeof(t_clean), typeof(queue))"
        " != ('integer', 'integer', 'integer', 'real', 'text')"
    ),
    "records with values of the wrong type": (
        "SELECT count(*) FROM inactive WHERE typeof(R) NOT IN ('blob', 'null') OR"
        " (typeof(urgency), typeof(priority), typeof(status)) != ('integer', 'integer', 'integer')"
        " OR (typeof(t_submit), typeof(t_depend), typeof(t_priority)) != ('real', 'real', 'real')"
        " OR (typeof(t_sched), typeof(t_run), typeof(t_cleanup)) != ('real', 'real', 'real')"
        " OR (typeof(name), typeof(attrs)) != ('text', 'text')"
        " OR (typeof(jobspec), typeof(eventlog)) != ('blob', 'blob')"
    ),
    "retention classes that are counted wrong": (
        "SELECT count(*) FROM class_count WHERE n !="
        " (SELECT count(*) FROM ended WHERE seq IS NULL AND ended.rule = class_count.rule)"
    ),
    "queues that are counted wrong": (
        "SELECT count(*) FROM queue_count WHERE kept != (SELECT count(*) FROM ended WHERE"
        " seq IS NULL AND ended.queue = queue_count.queue AND ended.result = queue_count.result)"
    ),
    "tombstones that are counted wrong": (
        "SELECT abs((SELECT count(*) FROM ended WHERE seq IS NOT NULL) -"
        " (SELECT n FROM counter WHERE name = 'purged') +"
        " (SELECT n FROM counter WHERE name = 'forgotten'))"
    ),
}
"""What would be wrong -> how many times it is."""


class Finding(Struct, frozen=True):
    """What was found in a store; it is sound if there are no faults."""

    version: int
    active: int = 0
    inactive: int = 0
    tombstones: int = 0
    orphans: int = 0
    faults: tuple[str, ...] = ()


def check(path: Path) -> Finding:
    """Look at all of a store; takes seconds for a million jobs.

    Raises:
        StoreError: there is none, it is something else, or was written by a newer jobmgrd.
    """
    try:
        with closing(connect(path, "ro")) as db:
            db.execute("BEGIN")
            version = version_of(db, path, FORMAT)
            return _check(db, version)
    except sqlite3.Error as error:
        raise store_error(error, path) from error


def _check(db: sqlite3.Connection, version: int) -> Finding:
    damage = damage_of(db)
    if damage or version < VERSION:  # an older one is brought to this version at the next start
        return Finding(version, faults=tuple(damage))
    counters = reads.counters(db)
    return Finding(
        version,
        active=db.execute("SELECT count(*) FROM active").fetchone()[0],
        inactive=counters.inactive,
        tombstones=counters.tombstones,
        orphans=counters.orphans,
        faults=(*_broken_laws(db), *_unreadable(db)),
    )


def _broken_laws(db: sqlite3.Connection) -> Iterator[str]:
    for law, query in _LAWS.items():
        (count,) = db.execute(query).fetchone()
        if count:
            yield f"{count} {law}"


def _unreadable(db: sqlite3.Connection) -> Iterator[str]:
    """Active jobs that the next start would put aside."""
    for row in reads.recover(db).active:
        try:
            rows.recover(row)
        except ValueError as error:
            yield f"job {row.id} cannot be replayed: {error}"
