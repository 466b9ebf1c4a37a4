"""Copies of a store, and of other SQLite files, made while a daemon writes; and the way back.

A copy is one snapshot (VACUUM INTO, sqlite.org/lang_vacuum.html): what was answered before it
began is in it whole, and later commits are not in it at all. It appears under its name once it is
durable. The copy of a store knows when it was made, since a store that goes back in time must not
give ids out again that it gave out after that: see `restore`. It has no epoch, so that whoever goes
on with it, however it was put in place, begins another one (jobmgrd/store/epoch.py).
"""

import errno
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from jobmgrd.store import statements as sql
from jobmgrd.store.epoch import EPOCH
from jobmgrd.store.lock import Lock
from jobmgrd.store.port import StoreError
from jobmgrd.store.schema import FORMAT, connect
from jobmgrd.store.sqlite_errors import store_error
from jobmgrd.store.sqlite_reads import recover
from jobmgrd.store.version import version_of
from protocol import jobid

MADE: Final = "backup"
"""The name in `meta` of a copy's UNIX time."""

SLACK: Final = 60.0
"""Seconds that ids may have run ahead of the clock."""


def snapshot(source: Path, target: Path) -> None:
    """Copy an SQLite file that others may write to; the copy is for its owner alone.

    Raises:
        StoreError: ENOENT, EEXIST, ENOSPC, ...: the text names the file.
    """
    if target.exists():
        raise StoreError(errno.EEXIST, f"{target} is there already")
    with _appearing(target) as partial, _errors(source), closing(connect(source, "ro")) as db:
        partial.touch(0o600)  # SQLite takes an empty file, and would make one that others may read
        db.execute("VACUUM INTO ?", (str(partial),))


def back_up(source: Path, target: Path, t: float) -> None:
    """Copy a store; `t` is the time now (UNIX time).

    Raises:
        StoreError: as `snapshot`, or the source is no store.
    """
    with _errors(source), closing(connect(source, "ro")) as db:
        version_of(db, source, FORMAT)
    if target.exists():
        raise StoreError(errno.EEXIST, f"{target} is there already")
    with _appearing(target) as partial:
        snapshot(source, partial)
        with _errors(target), closing(connect(partial, "rw")) as db:
            db.executemany(sql.PUT_META, [(MADE, repr(t).encode()), (EPOCH, b"")])


def restore(
    copy: Path, target: Path, now: float, *, replace: bool = False, forget: Sequence[str] = ()
) -> int:
    """Put the copy of a store in place; how many of its jobs are active.

    With `replace`, a store that is there is set aside as NAME.old; without, it is an error.
    What `meta` has under the names in `forget` no longer holds.

    Ids are times: those that may have been given out since the copy was made are never given out
    again.

    Raises:
        StoreLockedError: a daemon uses the place.
        StoreError: EEXIST: a store is there. As `back_up`.
    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = Lock(target.with_name(target.name + ".lock"))
    with _errors(target):
        lock.acquire()
    try:
        there = [file for file in _files(target) if file.exists()]
        if there and not replace:
            raise StoreError(errno.EEXIST, f"{there[0]} is there already")
        if there and any(file.exists() for file in _files(_old(target))):
            raise StoreError(errno.EEXIST, f"{_old(target)} is there already")
        with _appearing(target) as partial:
            snapshot(copy, partial)
            with _errors(copy), closing(connect(partial, "rw")) as db:
                active = _go_on(db, copy, now, forget)
            for file, old in zip(_files(target), _files(_old(target)), strict=True):
                if file.exists():
                    file.rename(old)
        return active
    finally:
        lock.release()


def _files(path: Path) -> list[Path]:
    """What SQLite takes for one database; a log that is left behind would spoil the next one."""
    return [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm")]


def _old(path: Path) -> Path:
    return path.with_name(path.name + ".old")


def _go_on(db: sqlite3.Connection, copy: Path, now: float, forget: Sequence[str]) -> int:
    version_of(db, copy, FORMAT)
    found = recover(db)
    if MADE not in found.meta:
        raise StoreError(errno.EINVAL, f"{copy} is not a backup: `jobmgrd backup` makes them")
    since = max(now - float(found.meta[MADE]), 0.0) + SLACK
    db.execute(sql.FORGOTTEN_ID, (jobid.later(found.max_jobid, int(since * 1000)),))
    db.executemany(sql.PUT_META, [(name, b"") for name in (*forget, EPOCH)])
    return len(found.active)


@contextmanager
def _appearing(target: Path) -> Iterator[Path]:
    """A name for a file that gets its own once it is whole and durable; gone if that fails."""
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.rename(target)
        directory = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise store_error(error, target) from error
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise store_error(error, path) from error
