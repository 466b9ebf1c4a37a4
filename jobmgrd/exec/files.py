"""Files that a job's input comes from and its output goes to, opened before the tasks start."""

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from jobmgrd.exec.process import StartError

# Appended to, so that several tasks and programs with one file do not write over each other;
# truncated first as flux-shell does by default (shell/output/task.c).
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_CLOEXEC
_MODE: Final = 0o666

LINE: Final = 65536
"""Bytes of a line without an end that are kept before they are written with a label."""


class Files:
    """The open files of one attempt; a path that is asked for again is the same open file."""

    def __init__(self, cwd: str, umask: int, *, append: bool) -> None:
        self._cwd = cwd
        self._umask = umask
        self._flags = _WRITE | (0 if append else os.O_TRUNC)
        self._open: dict[tuple[str, int], int] = {}

    def input(self, path: str) -> int:
        """A descriptor to read a file by, from its beginning; each task gets one of its own.

        Raises:
            StartError: it cannot be opened; the text names it.
        """
        key = str(Path(self._cwd, path)), len(self._open)
        self._open[key] = self._opened("input", key[0], _READ)
        return self._open[key]

    def output(self, path: str) -> int:
        """A descriptor to write to a file.

        Raises:
            StartError: it cannot be opened; the text names it.
        """
        key = str(Path(self._cwd, path)), -1
        if key not in self._open:
            self._open[key] = self._opened("output", key[0], self._flags)
        return self._open[key]

    def release(self, keep: Collection[int]) -> None:
        """Close our side of the files that tasks write to themselves."""
        for key, fd in tuple(self._open.items()):
            if fd not in keep:
                os.close(fd)
                del self._open[key]

    def close(self) -> None:
        """Close all. Idempotent."""
        self.release(())

    def _opened(self, kind: str, path: str, flags: int) -> int:
        umask = os.umask(self._umask)
        try:
            # A FIFO that nobody has at its other end would otherwise hold the event loop.
            fd = os.open(path, flags | os.O_NONBLOCK, _MODE)
        except (OSError, ValueError) as error:
            text = error.strerror if isinstance(error, OSError) else error
            raise StartError(f"cannot open {kind} file {path}: {text}") from error
        finally:
            os.umask(umask)
        os.set_blocking(fd, True)
        return fd


class Labeler:
    """Writes what a task writes to a file, each line behind the rank of the task.

    Args:
        fd: of the file, which stays open with whoever opened it.
        rank: of the task.
        fail: told once why it cannot be written; what follows is dropped.
    """

    def __init__(self, fd: int, rank: int, fail: Callable[[OSError], None]) -> None:
        self._fd = fd
        self._label = b"%d: " % rank
        self._fail: Callable[[OSError], None] | None = fail
        self._rest = b""

    def __call__(self, data: bytes) -> None:
        """Write the lines that are complete; b"" is the end, and completes the last."""
        lines = (self._rest + data).splitlines(keepends=True) or [b""]
        whole = not data or lines[-1].endswith(b"\n") or len(lines[-1]) >= LINE
        self._rest = b"" if whole else lines.pop()
        if not data and lines[-1]:
            lines[-1] += b"\n"
        self._write(b"".join(self._label + line for line in lines if line))

    def _write(self, data: bytes) -> None:
        fail = self._fail
        try:
            while data and fail is not None:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            self._fail = None
            if fail is not None:
                fail(error)
