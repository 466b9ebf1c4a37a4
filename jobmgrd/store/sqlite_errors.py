"""SQLite's errors as StoreError: the POSIX errno, and a text that names the file."""

import errno
import os
import sqlite3
import tempfile
from pathlib import Path
from typing import Final

from jobmgrd.store.port import StoreError

_ERRNO: Final = {
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_BUSY: errno.EBUSY,
    sqlite3.SQLITE_LOCKED: errno.EBUSY,
    sqlite3.SQLITE_NOMEM: errno.ENOMEM,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_TOOBIG: errno.EFBIG,
    sqlite3.SQLITE_CONSTRAINT: errno.EEXIST,
    sqlite3.SQLITE_MISMATCH: errno.EINVAL,
}

_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

WHAT_TO_DO: Final = (
    "`jobmgrd check` says more; put a backup in place with `jobmgrd restore DIR --replace`, or"
    " move the file and its -wal away to begin with an empty history"
)


def store_error(error: Exception, path: Path) -> StoreError:
    """What a caller is told about an error met while using the file at `path`."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, OSError):
        return StoreError(error.errno or errno.EIO, f"{path}: {error.strerror or error}")
    if not isinstance(error, sqlite3.Error):
        return StoreError(errno.EINVAL, f"{path}: {error}")
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if code in {sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE}:
        errnum = _why_not_written(path)
        return StoreError(errnum, f"{path}: {os.strerror(errnum)}")
    if code & 0xFF in _DAMAGE:
        return StoreError(errno.EIO, f"{path} is damaged ({error}): {WHAT_TO_DO}")
    return StoreError(_ERRNO.get(code & 0xFF, errno.EIO), f"{path}: {error}")


def escaped(data: bytes) -> str:
    """Text as it is; bytes that are not UTF-8 show."""
    return data.decode(errors="backslashreplace")


def tolerate(db: sqlite3.Connection, error: Exception) -> bool:
    """Whether an error was for text that is not UTF-8: from now on, a connection shows its bytes.

    The daemon writes none, so that reading it costs nothing until somebody else has.
    """
    if "Could not decode to UTF-8" not in str(error) or db.text_factory is escaped:
        return False
    db.text_factory = escaped
    return True


def _why_not_written(path: Path) -> int:
    """The errno of a failed write, which SQLite keeps to itself: ask for the same room again."""
    wal = path.with_name(path.name + "-wal")
    try:
        with tempfile.TemporaryFile(dir=path.parent) as scratch:
            os.posix_fallocate(scratch.fileno(), wal.stat().st_size, 1 << 16)
    except OSError as error:
        return error.errno or errno.EIO
    return errno.EIO
