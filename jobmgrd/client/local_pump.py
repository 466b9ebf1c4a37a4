"""Feeds an asyncio program from a local link.

Theory: when to write. A request that nothing came before leaves at once, for its caller waits. The
ones after it, until something is read again, leave together at the end of the loop's tick: a system
call for each would wake the daemon for each. But once TOGETHER bytes are queued they leave, too, so
that the daemon works on them while the rest are made. With 512 RPCs under way on an idle machine,
that is 85,000 a second instead of 50,000; the daemon reads little at once (transport/local_peer.py)
for the same reason.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from jobmgrd.client import local_link
from jobmgrd.client.errors import ConnectionLostError

if TYPE_CHECKING:
    from jobmgrd.client.local_link import LocalLink

TOGETHER: Final = 8192
"""Bytes of requests; some eighty small ones."""


class LocalPump:
    """Reads a link until it breaks or is closed; it owns the link from now on. See Link.pump."""

    def __init__(
        self,
        link: "LocalLink",
        receive: Callable[[Sequence[bytes]], None],
        lost: Callable[[ConnectionLostError], None],
    ) -> None:
        self._link = link
        self._receive = receive
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._quiet = True  # nothing was sent since something was read
        self._due = False
        self._writing = False
        self._closed = False
        self._retry: asyncio.TimerHandle | None = None
        self._connect()

    def send(self, frames: Sequence[bytes]) -> None:
        """See Pump."""
        queued = self._link.queue(frames)
        if self._writing:
            return  # the loop tells when the daemon takes more
        if self._quiet or queued > TOGETHER:
            self._quiet = False
            self._flush()
        elif not self._due:
            self._due = True
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        """See Pump."""
        if not self._closed:
            self._flush()
            self._closed = True
            if self._retry is not None:
                self._retry.cancel()
            self._loop.remove_reader(self._link.socket)
            self._loop.remove_writer(self._link.socket)
            self._link.close()

    def _connect(self) -> None:
        """Read and write once the daemon has room for the connection."""
        if self._link.connected or self._link.retry():
            self._loop.add_reader(self._link.socket, self._read)
            self._flush()
        else:
            self._retry = self._loop.call_later(local_link.RETRY, self._connect)

    def _flush(self) -> None:
        self._due = False
        if self._closed or not self._link.connected:
            return
        if self._link.flush() == self._writing:
            self._writing = not self._writing
            if self._writing:
                self._loop.add_writer(self._link.socket, self._flush)
            else:
                self._loop.remove_writer(self._link.socket)

    def _read(self) -> None:
        self._quiet = True
        self._link.read(self._receive)
        if self._link.broken and not self._closed:
            self.close()
            self._lost(self._link.error)
