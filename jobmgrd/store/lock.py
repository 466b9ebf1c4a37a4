"""The lock file beside a store: one daemon at a time."""

import errno
import fcntl
import os
from pathlib import Path

from jobmgrd.store.port import StoreLockedError


def owner(path: Path) -> int:
    """The process that holds the lock at `path`; 0 if none does.

    The kernel is asked (proc_locks(5)): trying the lock could turn a daemon away that starts now.
    """
    try:
        inode = path.stat().st_ino
        locks = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return 0
    for fields in map(str.split, locks):
        if fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == str(inode):
            return int(fields[4])
    return 0


class Lock:
    """An flock on a file that holds the owner's pid; the kernel drops it when the owner dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take the lock, at once or not at all.

        Raises:
            StoreLockedError: a living process holds it.
            OSError: the file cannot be opened.
        """
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(fd, 32).decode(errors="replace").strip() or "unknown"
            os.close(fd)
            text = f"another jobmgrd (pid {pid}) is using {self._path.parent}"
            raise StoreLockedError(errno.EBUSY, text) from None
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
        self._fd = fd

    def release(self) -> None:
        """Give the lock back. The file stays: unlinking it would race with the next owner."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
