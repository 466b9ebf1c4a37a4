"""What the writer does between groups: checkpoints, and giving free pages back.

The write-ahead log is copied into the file once it is long (a passive checkpoint waits for
nobody) and then overwritten from its start: a sync of a file that does not grow takes half the
time (160 us against 360 us, ext4). It is cut to nothing when the writer has been idle for a while.

Pages that a purge freed go back to the file system in steps, each its own short transaction,
whose size follows the time that the last one took.

On a full disk neither the log nor the file can grow, so that even a purge could not be committed.
For that a reserve is kept: given up for what makes room, and made again right after it. It is
large enough to copy a long log into the file, and for a purge to write a new one.
"""

import os
import sqlite3
import struct
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from jobmgrd.store.reserve import Reserve

PAGE_LIMIT: Final = 4096
"""Pages in the log that make a checkpoint due."""

PURGE_BYTES: Final = 8 << 20
"""Some times what a purge of 100 jobs takes in the log: 1.1 MB for the oldest of 200,000 jobs with
random ids, 2.1 MB for any of them; long output adds what it takes to list its free pages."""

IDLE_SECONDS: Final = 1.0
"""Time without a write after which the log is cut to nothing."""

_QUIET_SECONDS: Final = 0.01  # longer than a purger takes to ask for its next batch
_STEP_SECONDS: Final = 0.002
_STEP_PAUSE: Final = 0.05
_STEP_MAX: Final = 4096
_RESERVE_SECONDS: Final = 0.1  # to give pages back in, while the reserve is given up
_MX_FRAME_OFFSET: Final = 16  # in the wal-index header, sqlite.org/walformat.html section 2.1


class Upkeep:
    """Keeps the log short and the file small; used by the writer's thread only."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path
        self._wal = path.with_name(path.name + "-wal")
        # N.B. POSIX drops a process's locks on a file when it closes any descriptor of it, so
        # this one, of the file that SQLite's locks are on, is closed after every connection.
        self._index = os.open(path.with_name(path.name + "-shm"), os.O_RDONLY | os.O_CLOEXEC)
        self._next_checkpoint = PAGE_LIMIT
        self._step = 16
        self._last_step = 0.0
        self._dirty = True
        self._after_commit = False
        (self._page_size,) = db.execute("PRAGMA page_size").fetchone()
        reserve = PAGE_LIMIT * int(self._page_size) + PURGE_BYTES
        self._reserve = Reserve(path.with_name(path.name + ".reserve"), reserve)
        self.free_pages = self._count_free()
        self.size = 0
        """Bytes of the file and its log, without the reserve, as of the last commit or checkpoint.

        Whoever asks for it does not touch the file system, which may hang."""
        self._measure()

    @property
    def free(self) -> int:
        """Bytes of the file that hold nothing."""
        return self.free_pages * int(self._page_size)

    @property
    def reserved(self) -> bool:
        """Whether room is set aside."""
        return self._reserve.there

    @property
    def patience(self) -> float | None:
        """Seconds that the writer may wait for work before it calls idle(); None is for ever."""
        if self.free_pages:
            return _QUIET_SECONDS if self._after_commit else 0.0
        return IDLE_SECONDS if self._dirty or not self._reserve.there else None

    def note_commit(self, *, freed: bool) -> None:
        """Take in that a group was committed, and whether it deleted rows."""
        self._dirty = self._after_commit = True
        self._measure()
        if freed:
            self.free_pages = self._count_free()

    def between(self) -> None:
        """Do what cannot wait for the writer to be idle."""
        self._checkpoint_if_long()
        if self.free_pages and time.monotonic() - self._last_step > _STEP_PAUSE:
            self._give_back()

    def idle(self) -> None:
        """Do a little of what is due; nobody waits for the writer right now."""
        self._after_commit = False
        if not self._reserve.there:
            self.make_reserve()
        elif self.free_pages:
            self._give_back()
            self._checkpoint_if_long()
        else:
            self.truncate()

    def give_up_reserve(self) -> None:
        """Make room for something that frees more."""
        self._reserve.give_up()
        self._checkpoint("TRUNCATE")

    def make_reserve(self) -> None:
        """Cut the file and the log as short as they get, and set what room there is aside."""
        deadline = time.monotonic() + _RESERVE_SECONDS
        self._give_back()
        while self.free_pages and time.monotonic() < deadline:
            self._give_back()
        self.truncate()
        self._reserve.make()

    def truncate(self) -> None:
        """Copy the log into the file and cut it to nothing, unless a reader is at it."""
        self._dirty = False
        self._checkpoint("TRUNCATE")

    def close(self) -> None:
        """Release the descriptor; every connection to the file is closed by now."""
        os.close(self._index)

    def _checkpoint_if_long(self) -> None:
        frames = self._frames()
        if frames >= self._next_checkpoint:
            done = self._checkpoint("PASSIVE")
            self._next_checkpoint = PAGE_LIMIT + (0 if done else frames)

    def _checkpoint(self, mode: str) -> bool:
        """Whether all of the log is in the file now. An error is left for a commit to meet."""
        try:
            query = f"PRAGMA wal_checkpoint({mode})"
            busy, frames, copied = self._db.execute(query).fetchone()
        except sqlite3.Error:
            return False
        self._measure()
        return not busy and frames == copied

    def _give_back(self) -> None:
        start = time.monotonic()
        try:
            # N.B. execute() would stop after the first page, fetchall() or not
            self._db.executescript(f"PRAGMA incremental_vacuum({self._step})")
            self.free_pages = self._count_free()
        except sqlite3.Error:
            # No room to make room. The reserve is not for this: what it leaves to the file system
            # anybody may take, and then not even a purge could be committed. The next purge gives
            # it up, and gives pages back before it makes it again.
            self.free_pages = 0
        self._last_step = time.monotonic()
        faster = self._last_step - start < _STEP_SECONDS
        self._step = min(self._step * 2, _STEP_MAX) if faster else max(self._step // 2, 1)

    def _measure(self) -> None:
        with suppress(OSError):  # somebody moved a file away: the next commit meets it
            self.size = self._path.stat().st_size + self._wal.stat().st_size

    def _count_free(self) -> int:
        (pages,) = self._db.execute("PRAGMA freelist_count").fetchone()
        return int(pages)

    def _frames(self) -> int:
        """Committed frames in the log."""
        (frames,) = struct.unpack("=I", os.pread(self._index, 4, _MX_FRAME_OFFSET))
        return int(frames)
