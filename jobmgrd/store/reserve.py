"""Room set aside on the disk, so that what makes room still works when there is none."""

import os
from contextlib import suppress
from pathlib import Path


class Reserve:
    """A file of `size` bytes that holds nothing."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size
        self.there = False
        self.make()

    def make(self) -> None:
        """Set the room aside, if there is any."""
        fd = -1
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.posix_fallocate(fd, 0, self._size)
            self.there = True
        except OSError:
            self.give_up()
        finally:
            if fd >= 0:
                os.close(fd)

    def give_up(self) -> None:
        """Let the file system have the room back, if there was any."""
        self.there = False
        with suppress(OSError):
            os.truncate(self._path, 0)
