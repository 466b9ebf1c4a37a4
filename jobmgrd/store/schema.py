"""The SQLite file: its tables, its version, and how connections to it are opened.

    active      jobs that have not ended, replaced as they change
    ended       a narrow row for every job that ended: where its wide row is (`ord`), or the
                purge it went with (`seq`), which makes it the tombstone; purging changes this
                one random place and makes no second one. Beside the result, its `fate` decides
                what depends on it (jobmgrd.jobs.outcome). It has all that a retention class is
                told from, so that classing anew reads no wide row; its index has what most lists
                are filtered by, so that they read only rows that they show
    inactive    the wide row of a job that is kept; `ord` counts up as jobs end, so that those of
                one purge are neighbours on disk however random their ids are
    output      pieces of output, numbered for each job from 1 up, and of what was written to its
                stdin from -1 down
    purge_log   a record for each purge; `jobs` holds the ids as int64. It is there as long as it
                is among the last ones, or a tombstone is left of its jobs
    pin         jobs that somebody wants kept
    orphan      active rows that could not be replayed
    class_count, total, queue_count, counter
                numbers that would otherwise need a scan, kept inside the same transactions;
                `forgotten` counts trimmed tombstones, `forgotten_seq` is the last purge that has
                none left, `forgotten_id` the highest id that was erased altogether
    meta        what the engine keeps by name

The version is the file's user_version; application_id tells it from other SQLite files.
"""

import os
import sqlite3
from pathlib import Path
from typing import Final, Literal, TypeAlias

from jobmgrd.store.version import FileFormat, upgrade, version_of

Durability: TypeAlias = Literal["full", "os"]

APPLICATION_ID: Final = 0x6A6F626D  # "jobm"
VERSION: Final = 2

CACHE_KIB: Final = 64 * 1024
"""Holds the narrow indexes of some millions of jobs, so that random ids cost no reads."""

_CREATE: Final = """
CREATE TABLE active (
    id INTEGER PRIMARY KEY, userid INTEGER, jobspec BLOB, R BLOB, eventlog BLOB
);
CREATE TABLE ended (
    id INTEGER PRIMARY KEY, t_clean REAL, result INTEGER, rule INTEGER, ord INTEGER, seq INTEGER,
    userid INTEGER, queue TEXT, fate INTEGER
);
CREATE INDEX ended_in_order ON ended (rule, t_clean, id, userid, queue, result, ord, seq)
    WHERE seq IS NULL;
CREATE TABLE inactive (
    ord INTEGER PRIMARY KEY, urgency INTEGER, priority INTEGER,
    t_submit REAL, t_depend REAL, t_priority REAL, t_sched REAL, t_run REAL, t_cleanup REAL,
    status INTEGER, name TEXT, attrs TEXT, jobspec BLOB, R BLOB, eventlog BLOB
);
CREATE TABLE output (
    id INTEGER, n INTEGER, data BLOB, PRIMARY KEY (id, n)
) WITHOUT ROWID;
CREATE TABLE purge_log (
    seq INTEGER PRIMARY KEY, t REAL, reason TEXT, userid INTEGER, jobs BLOB
);
CREATE TABLE pin (
    id INTEGER PRIMARY KEY, reason TEXT, until REAL, userid INTEGER, t REAL
);
CREATE TABLE orphan (
    id INTEGER PRIMARY KEY, userid INTEGER, jobspec BLOB, R BLOB, eventlog BLOB,
    reason TEXT, t REAL
);
CREATE TABLE class_count (rule INTEGER PRIMARY KEY, n INTEGER);
CREATE TABLE total (
    day INTEGER, queue TEXT, result INTEGER, n INTEGER, PRIMARY KEY (day, queue, result)
) WITHOUT ROWID;
CREATE TABLE queue_count (
    queue TEXT, result INTEGER, ended INTEGER, kept INTEGER, PRIMARY KEY (queue, result)
) WITHOUT ROWID;
CREATE TABLE counter (name TEXT PRIMARY KEY, n INTEGER) WITHOUT ROWID;
INSERT INTO counter VALUES
    ('published', 0), ('purged', 0), ('forgotten', 0), ('forgotten_seq', 0), ('forgotten_id', 0);
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB);
"""

_ADD_FATE: Final = """
ALTER TABLE ended ADD COLUMN fate INTEGER;
UPDATE ended SET fate = (
    SELECT CASE WHEN json_valid(log) THEN
        (t_run > 0) + 2 * ifnull(max(value ->> 'name' = 'start'), 0)
        + 4 * ifnull(min(key) FILTER (
            WHERE value ->> 'name' = 'exception' AND value ->> '$.context.severity' = 0
        ) < ifnull(min(key) FILTER (WHERE value ->> 'name' = 'finish'), 1e9), 0)
    END
    FROM (
        SELECT t_run, '[' || replace(rtrim(CAST(eventlog AS TEXT), x'0a'), x'0a', ',') || ']' AS log
        FROM inactive WHERE ord = ended.ord
    )
    LEFT JOIN json_each(CASE WHEN json_valid(log) THEN log END) ON type = 'object'
) WHERE seq IS NULL;
"""
"""From the eventlogs of the jobs that are kept; of those that were purged it stays unknown."""

FORMAT: Final = FileFormat("a store", APPLICATION_ID, VERSION, _CREATE, {1: _ADD_FATE})
"""A migration joins as 2: "ALTER TABLE ...", and tests/upgrade keeps a file of version 2."""


def open_writer(path: Path, durability: Durability) -> sqlite3.Connection:
    """Open or create the file, for the one connection that writes.

    Raises:
        StoreError: it was written by a newer jobmgrd, or by something else.
        sqlite3.Error, OSError: it cannot be opened, or is not an SQLite file.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    db = connect(path, "rw")
    try:
        version = version_of(db, path, FORMAT)
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # counts before the first table only
        db.execute("PRAGMA journal_mode = WAL").fetchone()
        db.execute(f"PRAGMA synchronous = {'FULL' if durability == 'full' else 'NORMAL'}")
        db.execute("PRAGMA wal_autocheckpoint = 0").fetchone()
        db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        db.execute("PRAGMA secure_delete = OFF").fetchone()  # some systems' default is ON
        upgrade(db, version, FORMAT)
    except BaseException:
        db.close()
        raise
    return db


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a connection that can only read; the file exists."""
    db = connect(path, "ro")
    db.execute("PRAGMA query_only = ON")
    return db


def connect(path: Path, mode: Literal["rw", "ro"]) -> sqlite3.Connection:
    """A connection to a file that exists, without a look at what is in it."""
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=0.1,
        isolation_level=None,
        check_same_thread=False,  # opened by one thread, used by another, never by two
        cached_statements=64,
    )
    db.execute("PRAGMA temp_store = MEMORY")
    return db
