"""A task's stdout or stderr on its way out of a pipe, and how much of it an attempt may tell."""

import asyncio
import os
from collections.abc import Callable
from typing import Final

CHUNK: Final = 65536
"""Bytes read at once: what a pipe holds by default (pipe(7))."""

DRAIN_CHUNKS: Final = 16
"""A drain ends after this many reads, should someone write as fast as it reads."""


class Pipe:
    """The read end of a pipe; `tell` gets the bytes in chunks, and once b"" for the end."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, fd: int, tell: Callable[[bytes], None]
    ) -> None:
        self._loop = loop
        self._fd = fd
        self._closed = False
        self._tell = tell
        os.set_blocking(fd, False)

    def watch(self) -> None:
        """Read whenever there is something to read, from now on. Idempotent."""
        self._loop.add_reader(self._fd, self._read)

    def ignore(self) -> None:
        """Leave in the pipe what is there; its writer blocks once it is full."""
        self._loop.remove_reader(self._fd)

    def drain(self) -> None:
        """Read what is there already."""
        for _ in range(DRAIN_CHUNKS):
            if not self._read():
                return

    def close(self) -> None:
        """Read no more, and tell the end. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._fd)
        os.close(self._fd)
        self._tell(b"")

    def _read(self) -> bool:
        """Read once; False if there is nothing more for now."""
        if self._closed:
            return False
        try:
            data = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return False
        if data:
            self._tell(data)
        else:
            self.close()
        return bool(data)


class Quota:
    """How many bytes of output may still be told; what is more is thrown away."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._notice: bytes | None = f"jobmgrd: output truncated at {limit} bytes\n".encode()

    def take(self, data: bytes) -> tuple[bytes, bytes | None]:
        """The bytes of `data` that may be told, and a notice with the first that may not."""
        if len(data) <= self._left:
            self._left -= len(data)
            return data, None
        kept, self._left = data[: self._left], 0
        notice, self._notice = self._notice, None
        return kept, notice
