"""Reading a ZeroMQ socket through its file descriptor, on both sides of the wire.

Theory: the edge-triggered descriptor. A ZeroMQ socket's descriptor does not say "there are
messages"; it says "something happened since you last looked", and *any* call on the socket looks.
Two things follow.

1. At the start, and when the descriptor is readable, read until EAGAIN. EAGAIN is a proof: libzmq
   answers it only after it has handled all that happened, and only to a reader that has seen it
   does what comes later signal at all.
2. A send looks, too, and may swallow the signal of a message that arrives meanwhile: the loop
   would sleep with a message unread. So every send outside of a drain asks for one at the end of
   the loop's tick (`soon`), however many sends the tick had. That drain is rule 1 again, and costs
   less than asking for ZMQ_EVENTS after each send.

zmq.asyncio does the same with a future and a task switch more per message: 2.5 times the CPU.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import zmq

from jobmgrd import multipart

DRAIN_MAX: Final = 64
"""Messages that one drain takes; then the loop goes round, so that all else is served, too."""


class Drain:
    """Hands every message of a socket to `take`, and calls `emptied` when there are no more.

    If `take` says True, the rest stays unread until something new comes, or somebody asks (`soon`);
    then whoever takes has seen to it that what is new will signal (see fair_drain.py). Neither may
    raise. The socket stays its owner's, who closes this first.
    """

    def __init__(
        self,
        socket: "zmq.Socket[bytes]",
        take: Callable[[list[bytes]], bool | None],
        emptied: Callable[[], None] | None = None,
        receive: Callable[["zmq.Socket[bytes]"], list[bytes]] = multipart.receive,
    ) -> None:
        self._socket = socket
        self._take = take
        self._emptied = emptied
        self._receive = receive
        self._due = False
        self._draining = False
        self._paused = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        """Begin to read, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._drain)
        self.soon()

    def close(self) -> None:
        """Read no more. Idempotent."""
        if self._loop is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._loop = None

    def soon(self) -> None:
        """Read at the end of this tick: to be called after every send."""
        if self._loop is not None and not (self._due or self._draining):
            self._due = True
            self._loop.call_soon(self._drain)

    def _open(self) -> bool:
        return self._loop is not None

    def _drain(self) -> None:
        self._due = False
        if self._draining or not self._open():
            return
        if self._paused:
            self._paused = False
            self._socket.get(zmq.EVENTS)
        self._draining = True
        empty = False
        try:
            for _ in range(DRAIN_MAX):
                enough = self._take(self._receive(self._socket))
                if enough:
                    self._paused = True
                    return
                if not self._open():  # closed by whoever took the message
                    return
        except zmq.Again:
            empty = True
        finally:
            self._draining = False
        if not empty:
            self.soon()
        elif self._emptied is not None:
            self._emptied()
