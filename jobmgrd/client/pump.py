"""Feeds an asyncio program from a link, through the link's file descriptors.

Theory: the edge-triggered descriptor. A ZeroMQ socket's descriptor does not say "there are
messages"; it says "something happened since you last looked", and *any* call on the socket looks.
Two things follow.

1. At the start, and when the descriptor is readable, read until EAGAIN. EAGAIN is a proof: libzmq
   answers it only after it has handled all that happened, and only to a reader that has seen it
   does what comes later signal at all.
2. A send looks, too, and may swallow the signal of a response that arrives meanwhile: the loop
   would sleep with a message unread. So every send asks for one drain at the end of the loop's
   tick (`_drain_soon`), however many sends the tick had. That drain is rule 1 again, and costs
   less than asking for ZMQ_EVENTS after each send.

zmq.asyncio does the same with a future and a task switch more per message: 2.5 times the CPU.

A drain takes at most `DRAIN_MAX` messages and then lets the loop go round.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from jobmgrd.client.link import Link

DRAIN_MAX: Final = 256


class Pump:
    """Reads a link until it breaks or is closed.

    Args:
        link: the pump owns it from now on.
        receive: called with the frames of every message.
        lost: called once if the link breaks, after the last message; the link is closed then.
    """

    def __init__(
        self, link: Link, receive: Callable[[Sequence[bytes]], None], lost: Callable[[], None]
    ) -> None:
        self._link = link
        self._receive = receive
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._descriptors = (link.socket.fileno(), link.monitor.fileno())
        self._due = False
        self._closed = False
        self._loop.add_reader(self._descriptors[0], self._drain)
        self._loop.add_reader(self._descriptors[1], self._watch)
        link.look()
        self._drain_soon()

    def send(self, frames: Sequence[bytes]) -> None:
        """Queue a message; never blocks."""
        self._link.send(frames)
        self._drain_soon()

    def close(self) -> None:
        """Stop reading and close the link. Idempotent."""
        if not self._closed:
            self._closed = True
            for descriptor in self._descriptors:
                self._loop.remove_reader(descriptor)
            self._link.close()

    def _drain_soon(self) -> None:
        if not self._due:
            self._due = True
            self._loop.call_soon(self._drain)

    def _watch(self) -> None:
        self._link.look()
        self._drain()

    def _drain(self) -> None:
        self._due = False
        if self._closed:
            return
        for _ in range(DRAIN_MAX):
            frames = self._link.receive()
            if frames is None:
                break
            self._receive(frames)
        else:
            self._drain_soon()
            return
        if self._link.broken:
            self.close()
            self._lost()
