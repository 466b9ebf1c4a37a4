"""What is its owner's alone: the daemon's directories, and what is made in them."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PRIVATE: Final = 0o700
PASSABLE: Final = 0o711


class DirectoryError(Exception):
    """A directory cannot be used; the text is for the person who chose it."""


@contextmanager
def private_umask() -> Iterator[None]:
    """What is made meanwhile, a socket above all, none but its owner may open."""
    umask = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(umask)


def make_private(directory: Path, *, guests: bool = False) -> None:
    """Make a directory that only its owner may enter, or check that it is one.

    Guests may pass through theirs to the one socket that lets them in, and cannot list it.

    Raises:
        DirectoryError: it cannot be made, is not ours, or others may enter it.
    """
    try:
        directory.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        status = directory.stat()
    except OSError as error:
        raise DirectoryError(f"cannot use {directory}: {error.strerror}") from error
    if status.st_uid != os.getuid():
        raise DirectoryError(f"{directory} belongs to user {status.st_uid}, expected {os.getuid()}")
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077 and mode != PASSABLE:
        raise DirectoryError(f"{directory} is open to others (mode {mode:04o}), expected 0700")
    expected = PASSABLE if guests else PRIVATE
    if mode & 0o777 != expected and (guests or mode == PASSABLE):
        directory.chmod(expected)
