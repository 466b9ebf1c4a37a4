"""The archive's SQLite file: its table, its view for people, and how it is opened.

job         a row for each archived job; columns as jobmgrd.archive.record.ArchivedJob
job_by_end  the order of ending with all that jobs are filtered by, so that a search reads
            tens of bytes a job and not the job
history     the view for a person with an SQL tool: times as ISO 8601 (UTC), names for numbers
"""

import errno
import os
import sqlite3
from pathlib import Path
from typing import Final

from jobmgrd.archive.port import ArchiveError
from jobmgrd.archive.record import ArchivedJob
from jobmgrd.store.sqlite_errors import store_error
from jobmgrd.store.version import FileFormat, upgrade, version_of
from protocol.job import Result

APPLICATION_ID: Final = 0x6A6F6261  # "joba"
VERSION: Final = 2

COLUMNS: Final = ArchivedJob.__struct_fields__

MISSING: Final = {1: ("input",)}
"""Columns that a file of an older version does not have; such files are read as they are."""

LOCK_TIMEOUT: Final = 2.0
"""Seconds to wait for somebody else who writes to the file, such as an SQL tool."""

LOG_LIMIT: Final = 16 * 2**20
"""Bytes of the write-ahead log that stay once it was larger."""

_CODES: Final = {
    sqlite3.SQLITE_NOTADB: "is not an archive of jobmgrd, or is damaged",
    sqlite3.SQLITE_CORRUPT: "is damaged",
}

_RESULTS: Final = " ".join(f"WHEN {result.value} THEN '{result.name}'" for result in Result)
_TIMES: Final = ", ".join(
    f"strftime('%Y-%m-%dT%H:%M:%fZ', nullif({name}, 0), 'unixepoch') AS {name}"
    for name in ("t_submit", "t_run", "t_cleanup", "t_clean", "t_archived")
)
_VIEW: Final = f"""
CREATE VIEW history AS SELECT
    id, userid, name, queue, urgency, priority,
    'INACTIVE' AS state, CASE result {_RESULTS} END AS result,
    CASE WHEN status < 0 THEN NULL
         WHEN status & 127 THEN 128 + (status & 127)
         ELSE status >> 8 END AS exit_code,
    CASE WHEN t_run THEN t_cleanup - t_run END AS runtime,
    {_TIMES}, jobspec, R, eventlog, output, input
FROM job;
"""  # noqa: S608 - constants
_CREATE: Final = """
CREATE TABLE job (
    id INTEGER PRIMARY KEY, userid INTEGER, name TEXT, queue TEXT,
    urgency INTEGER, priority INTEGER, result INTEGER, status INTEGER,
    t_submit REAL, t_run REAL, t_cleanup REAL, t_clean REAL, t_archived REAL,
    jobspec TEXT, R TEXT, eventlog TEXT, output TEXT, input TEXT DEFAULT ''
);
CREATE INDEX job_by_end ON job (t_clean, id, userid, queue, name, result);
"""

_ADD_INPUT: Final = f"""
ALTER TABLE job ADD COLUMN input TEXT DEFAULT '';
DROP VIEW history;
{_VIEW}
"""

FORMAT: Final = FileFormat("an archive", APPLICATION_ID, VERSION, _CREATE + _VIEW, {1: _ADD_INPUT})


def open_writer(path: Path) -> sqlite3.Connection:
    """Open or create the file, for its owner alone. What is committed survives a loss of power.

    Raises:
        StoreError: the file is something else, or was written by a newer jobmgrd.
        sqlite3.Error, OSError: it cannot be opened.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    db = _connect(path, "mode=rw")
    try:
        version = version_of(db, path, FORMAT)
        db.execute("PRAGMA page_size = 8192")  # counts before the first table only
        db.execute("PRAGMA journal_mode = WAL").fetchone()
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA journal_size_limit = {LOG_LIMIT}").fetchone()
        upgrade(db, version, FORMAT)
    except BaseException:
        db.close()
        raise
    return db


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a connection that can only read, beside a daemon that writes.

    Raises:
        StoreError: the file is something else, or was written by a newer jobmgrd.
        sqlite3.Error, OSError: it cannot be opened.
    """
    path.open("rb").close()  # its errors are plainer than SQLite's
    try:
        return _open_reader(path, "mode=ro")
    except sqlite3.OperationalError:
        # The log needs a directory that can be written. Without a log nobody writes.
        if path.with_name(path.name + "-wal").exists():
            raise
        return _open_reader(path, "mode=ro&immutable=1")


def archive_error(error: Exception, path: Path) -> ArchiveError:
    """What a caller is told about an error met while using the file at `path`."""
    if isinstance(error, ArchiveError):
        return error
    known = store_error(error, path)
    damage = _CODES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    return ArchiveError(known.errnum, f"{path} {damage}" if damage else known.text)


def _open_reader(path: Path, mode: str) -> sqlite3.Connection:
    db = _connect(path, mode)
    try:
        if version_of(db, path, FORMAT) == 0:
            raise ArchiveError(errno.EINVAL, f"{path} is empty, not an archive of jobmgrd")
    except BaseException:
        db.close()
        raise
    return db


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{mode}",
        uri=True,
        timeout=LOCK_TIMEOUT,
        isolation_level=None,
        check_same_thread=False,  # closed by whichever thread is last
    )
