"""Files that a job's output goes to, opened by the daemon before the tasks start."""

import os
from pathlib import Path
from typing import Final

from jobmgrd.exec.process import StartError

# Truncated as flux-shell does by default (shell/output/task.c), and appended to, so that
# several tasks and programs with one file do not write over each other.
_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
_MODE: Final = 0o644


class OutputFiles:
    """The open files of one attempt; a path that is asked for again is the same open file."""

    def __init__(self, cwd: str) -> None:
        self._cwd = cwd
        self._open: dict[str, int] = {}

    def open(self, path: str) -> int:
        """A descriptor for a path, which may be relative to the job's cwd.

        Raises:
            StartError: it cannot be opened; the text names it.
        """
        path = str(Path(self._cwd, path))
        if path not in self._open:
            try:
                # A FIFO that nobody reads would otherwise hold the event loop.
                fd = os.open(path, _FLAGS | os.O_NONBLOCK, _MODE)
            except (OSError, ValueError) as error:
                text = error.strerror if isinstance(error, OSError) else error
                raise StartError(f"cannot open output file {path}: {text}") from error
            os.set_blocking(fd, True)
            self._open[path] = fd
        return self._open[path]

    def close(self) -> None:
        """Close the daemon's side of the files. Idempotent."""
        while self._open:
            os.close(self._open.popitem()[1])
