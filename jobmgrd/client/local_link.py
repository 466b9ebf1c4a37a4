"""A connection over the local connector, a unix stream socket (protocol/stream.py).

Nothing stands between the two processes: a request is one system call, and so is its answer, where
ZeroMQ has a thread of its own on each side. Measured for a small RPC: a third of the time.

Requests need not wait for the greeting: a daemon that lets nobody in says so, and ends the
connection, before it looks at any.
"""

import errno
import math
import os
import select
import socket
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from jobmgrd.client.errors import LOST, ConnectionLostError, NoDaemonError, NotAdmittedError
from jobmgrd.client.uri import LOCAL
from protocol import stream
from protocol.errors import MessageError

if TYPE_CHECKING:
    from jobmgrd.client.local_pump import LocalPump

CHUNK: Final = 1 << 16
"""Bytes that are read at once. From 128 KiB on, malloc has each buffer mapped by the kernel."""
RETRY: Final = 0.01
"""Seconds until a daemon too busy to accept is tried again."""
MESSAGE_MAX: Final = 2**32 - 1
"""Answers may be as large as the framing lets them."""

_HUNG_UP: Final = select.POLLHUP | select.POLLERR


class LocalLink:
    """See Link.

    Queues are unbounded on this side: the daemon bounds what it keeps for a peer, and a caller
    bounds what it asks at once.

    Raises:
        NoDaemonError: nobody listens there.
    """

    def __init__(self, endpoint: str) -> None:
        self.error = ConnectionLostError(LOST)
        self.broken = False
        self.connected = False
        self._path = endpoint.removeprefix(LOCAL)
        self._splitter = stream.Splitter(MESSAGE_MAX)
        self._out: list[bytes] = []
        self._queued = 0
        self._rest = memoryview(b"")
        self._greeted = False
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self._poll = select.poll()
        self._watched = 0
        try:
            self._connect()
        except OSError as error:
            self.socket.close()
            raise NoDaemonError(endpoint, error.strerror or str(error)) from error

    # --- connecting -----------------------------------------------------------------------------

    def _connect(self) -> None:
        try:
            self.socket.connect(self._path)
        except BlockingIOError:
            return  # the daemon is there, its backlog is full: unix(7) gives no sign when it is not
        self.connected = True

    def retry(self) -> bool:
        """Connect to a daemon that was too busy; whether that is settled, one way or the other."""
        try:
            self._connect()
        except OSError:
            self.broken = True
        return self.connected or self.broken

    # --- out ------------------------------------------------------------------------------------

    def queue(self, frames: Sequence[bytes]) -> int:
        """Have a message leave with the next flush; the bytes that do."""
        data = stream.encode(frames)
        self._out.append(data)
        self._queued += len(data)
        return self._queued

    def flush(self) -> bool:
        """Hand over what is queued, as far as the daemon takes it; whether nothing is left."""
        if not self.connected:
            return False
        while self._out or self._rest:
            if not self._rest:
                self._rest = memoryview(b"".join(self._out))
                self._out.clear()
                self._queued = 0
            try:
                sent = self.socket.send(self._rest, socket.MSG_NOSIGNAL)
            except BlockingIOError:
                return False
            except OSError:  # it is broken; whoever reads hears the last words, then notices
                sent = len(self._rest)
            self._rest = self._rest[sent:]
        return True

    def send(self, frames: Sequence[bytes]) -> None:
        """See Link."""
        self.queue(frames)
        self.flush()

    # --- in -------------------------------------------------------------------------------------

    def read(self, receive: Callable[[list[bytes]], object]) -> bool:
        """Take what has arrived, without waiting; whether there may be more."""
        try:
            data = self.socket.recv(CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if data and not self._greeted:
            data = self._greet(data)
        elif not data:
            self.broken = True
        if self.broken:
            return False
        try:
            for frames in self._splitter.feed(data):
                receive(frames)
        except MessageError as error:
            text = f"what answers at {self._path} is no jobmgrd: {error}"
            self.error = ConnectionLostError(text)
            self.broken = True
        return not self.broken

    def _greet(self, data: bytes) -> bytes:
        self._greeted = True
        if data[:1] != stream.GREETING:
            self.broken = True
            self.error = _refusal(data[0])
        return data[1:]

    def look(self) -> bool:
        """See Link."""
        return self.broken or (self.connected and self._hung_up(select.POLLIN, 0))

    def turn(self, receive: Callable[[list[bytes]], object], timeout: float) -> bool:
        """See Link."""
        if not self.connected and not self.broken:
            time.sleep(min(timeout, RETRY))
            self.retry()
        elif not self.broken:
            watched = select.POLLIN if self.flush() else select.POLLIN | select.POLLOUT
            hung_up = self._hung_up(watched, timeout)
            while self.read(receive) and hung_up:
                pass
        return not self.broken

    def _hung_up(self, watched: int, timeout: float) -> bool:
        """Wait for one of these events; whether the daemon has closed the connection."""
        if watched != self._watched:
            self._poll.register(self.socket, watched)
            self._watched = watched
        milliseconds = None if timeout == math.inf else math.ceil(timeout * 1000)
        return any(event & _HUNG_UP for _, event in self._poll.poll(milliseconds))

    # --- handing over, and the end --------------------------------------------------------------

    def pump(
        self,
        receive: Callable[[Sequence[bytes]], None],
        lost: Callable[[ConnectionLostError], None],
    ) -> "LocalPump":
        """See Link."""
        from jobmgrd.client.local_pump import (  # noqa: PLC0415 - who blocks needs no asyncio
            LocalPump,
        )

        return LocalPump(self, receive, lost)

    def close(self) -> None:
        """Close it, which is the disconnect message here."""
        self.socket.close()


def _refusal(errnum: int) -> ConnectionLostError:
    if errnum == errno.EPERM:
        return NotAdmittedError("the daemon does not let this user in")
    return ConnectionLostError(f"the daemon has no room for this client: {os.strerror(errnum)}")
