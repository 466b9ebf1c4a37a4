"""The archive in one SQLite file of its own, which any SQL tool reads while the daemon writes.

One thread writes, one transaction a batch. Theory of failure: whatever goes wrong, the connection
is closed and the next call opens the file anew, so that a full disk, a lost permission or a
damaged file that somebody put right needs no restart. The file may also be moved away between two
batches: its log is brought home into it, and a new file is begun in its place.
"""

import asyncio
import errno
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import astuple

from jobmgrd.archive.port import ArchiveError, ArchiveStats
from jobmgrd.archive.record import ArchivedJob
from jobmgrd.archive.schema import COLUMNS, archive_error, open_writer

BATCH_MAX: Final = 100
"""Jobs in one transaction; outputs are large, and a reader of the log waits for none of them."""

_ROW: Final = f"({', '.join('?' * len(ArchivedJob.__struct_fields__))})"
_SUBMITTED: Final = "SELECT t_submit FROM job WHERE id = ?"


class SqliteArchive:
    """A jobmgrd.archive.port.Archive in the file `path`, made for its owner alone if missing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None  # device and inode of what is open
        self._stats = ArchiveStats(str(path))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="archive")

    async def open(self) -> None:
        """Open or create the file; see the port."""
        await self._run(self._opened)

    async def put(self, jobs: Sequence[ArchivedJob]) -> None:
        """Keep these jobs; see the port."""
        for start in range(0, len(jobs), BATCH_MAX):
            await self._run(partial(self._put, jobs[start : start + BATCH_MAX]))

    def stats(self) -> ArchiveStats:
        """Counters as of the last call."""
        return self._stats

    async def close(self) -> None:
        """Finish what was asked for, let go of the file. Idempotent."""
        await asyncio.to_thread(self._stop)

    async def _run(self, work: Callable[[], object]) -> None:
        try:
            turn = asyncio.get_running_loop().run_in_executor(self._thread, self._attempt, work)
        except RuntimeError:
            raise ArchiveError(errno.ESHUTDOWN, f"{self._path}: the archive is closed") from None
        await turn

    def _stop(self) -> None:
        self._thread.shutdown()
        self._close()

    # --- on the writer's thread -------------------------------------------------------------

    def _attempt(self, work: Callable[[], object]) -> None:
        """Do it and count it; after a failure begin anew."""
        try:
            work()
        except Exception as error:
            failure = archive_error(error, self._path)  # asks why while the files are there
            self._close()
            self._stats = msgspec.structs.replace(
                self._stats, failures=self._stats.failures + 1, last_error=failure.text
            )
            raise failure from error
        self._stats = msgspec.structs.replace(self._stats, size=self._size(), last_error="")

    def _put(self, jobs: Sequence[ArchivedJob]) -> None:
        db = self._opened()
        db.execute("BEGIN IMMEDIATE")
        values = [value for job in jobs for value in astuple(job)]
        added = db.execute(_insert(len(jobs)), values).rowcount
        if added < len(jobs):
            self._check_same(db, jobs)
        db.execute("COMMIT")
        self._stats = msgspec.structs.replace(self._stats, archived=self._stats.archived + added)

    def _check_same(self, db: sqlite3.Connection, jobs: Sequence[ArchivedJob]) -> None:
        """An id of two jobs, one of them from an older store, must not cost one its record."""
        for job in jobs:
            (t_submit,) = db.execute(_SUBMITTED, (job.id,)).fetchone()
            if t_submit != job.t_submit:
                text = f"{self._path} holds another job with id {job.id}; use a new archive"
                raise ArchiveError(errno.EEXIST, text)

    def _opened(self) -> sqlite3.Connection:
        if self._db is not None and self._file != self._found():
            self._close()
        if self._db is None:
            self._db = open_writer(self._path)
            self._file = self._found()
        return self._db

    def _found(self) -> tuple[int, int] | None:
        """Which file has our name now; None if there is none."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    def _close(self) -> None:
        db, self._db = self._db, None
        if db is None:
            return
        # SQLite leaves the log of a file that was moved behind, so it goes home before.
        with suppress(sqlite3.Error):
            if db.in_transaction:
                db.execute("ROLLBACK")
            db.execute("PRAGMA busy_timeout = 0").fetchone()
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        db.close()

    def _size(self) -> int:
        size = 0
        for path in (self._path, self._path.with_name(self._path.name + "-wal")):
            with suppress(FileNotFoundError):
                size += path.stat().st_size
        return size


@cache
def _insert(count: int) -> str:
    """The statement for this many jobs.

    One for all, since a thread that runs a statement gives up the interpreter lock, and beside a
    busy event loop has to wait for it each time.
    """
    rows = ", ".join([_ROW] * count)
    return f"INSERT INTO job ({', '.join(COLUMNS)}) VALUES {rows} ON CONFLICT (id) DO NOTHING"  # noqa: S608 - constants
