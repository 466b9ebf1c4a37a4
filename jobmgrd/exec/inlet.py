"""A task's stdin: a pipe that is written to as fast as the task reads, and no faster."""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress


class Inlet:
    """The write end of a pipe. Every piece is called back for once it is in the pipe, or dropped.

    A task that has closed its stdin, or ended, drops what is written to it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, fd: int) -> None:
        self._loop = loop
        self._fd = fd
        self._closed = False
        self._closing = False
        self._pieces: deque[tuple[memoryview, Callable[[], None]]] = deque()
        os.set_blocking(fd, False)

    def write(self, data: bytes, done: Callable[[], None]) -> None:
        """Write a piece behind the others; never calls `done` from inside."""
        if self._closed or self._closing:
            self._loop.call_soon(done)
            return
        self._pieces.append((memoryview(data), done))
        if len(self._pieces) == 1:
            self._loop.add_writer(self._fd, self._write)

    def finish(self) -> None:
        """Close it behind what is written. Idempotent."""
        self._closing = True
        if not self._pieces:
            self.close()

    def close(self) -> None:
        """Close it, and drop what is not in the pipe. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_writer(self._fd)
        os.close(self._fd)
        while self._pieces:
            self._loop.call_soon(self._pieces.popleft()[1])

    def _write(self) -> None:
        data, done = self._pieces[0]
        try:
            with suppress(BlockingIOError):
                data = data[os.write(self._fd, data) :]
        except OSError:  # nobody reads any more
            self.close()
            return
        if data:
            self._pieces[0] = (data, done)
            return
        self._pieces.popleft()
        done()
        if not self._pieces:
            self._loop.remove_writer(self._fd)
            if self._closing:
                self.close()
