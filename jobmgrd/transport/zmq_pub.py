"""The PUB socket: events out.

It is an XPUB, so that it sees subscriptions: a subscriber that wants to know when its
subscription is in effect subscribes last to a topic of its own, READY and a token, and is
answered with an event of that topic whose sequence is that of the last regular event.

A subscriber that does not read loses events once `SEND_HWM` of them wait for it; the sequence
in each event's header lets it notice. Nobody else is slowed down.
"""

from collections.abc import Sequence
from typing import Final

import zmq

from jobmgrd import multipart
from jobmgrd.drain import Drain
from jobmgrd.publisher import Published
from protocol.events import READY
from protocol.message import Cred, Event

SEND_HWM: Final = 10_000
LINGER: Final = 200
SUBSCRIPTION_MAX: Final = 4096
"""Bytes of what a subscriber may send, which is the topics that it wants."""
_SUBSCRIBE_READY: Final = b"\x01" + READY.encode()


class ZmqPub:
    """Binds the event endpoints, and sends what it is given to deliver."""

    def __init__(
        self, context: "zmq.Context[zmq.Socket[bytes]]", endpoints: Sequence[str], cred: Cred
    ) -> None:
        self._endpoints = endpoints
        self._cred = cred
        self.sequence = 0
        self.overflows = 0
        """How often a subscriber's queue was full, and it began to lose events."""
        self.socket = context.socket(zmq.XPUB)
        self.socket.setsockopt(zmq.LINGER, LINGER)
        self.socket.setsockopt(zmq.SNDHWM, SEND_HWM)
        self.socket.setsockopt(zmq.MAXMSGSIZE, SUBSCRIPTION_MAX)
        self.socket.setsockopt(zmq.XPUB_NODROP, 1)  # which tells; see `_send`
        self._drain = Drain(self.socket, self._take)

    def open(self) -> None:
        """Bind, and begin to answer subscribers.

        Raises:
            zmq.ZMQError: an endpoint cannot be bound.
        """
        for endpoint in self._endpoints:
            self.socket.bind(endpoint)
        self._drain.open()

    def close(self, linger: int = LINGER) -> None:
        """Close the socket; events that were published still go out within so many ms."""
        if not self.socket.closed:
            self._drain.close()
            self.socket.close(linger)

    def deliver(self, event: Published) -> None:
        """Send an event; never blocks."""
        self.sequence = event.sequence
        self._send(event.frames)

    def _send(self, frames: list[bytes]) -> None:
        try:
            multipart.send(self.socket, frames)
        except zmq.Again:  # a queue became full: it is left out until it is read, as ZeroMQ does
            self.overflows += 1
            self.socket.setsockopt(zmq.XPUB_NODROP, 0)
            multipart.send(self.socket, frames)
            self.socket.setsockopt(zmq.XPUB_NODROP, 1)
        self._drain.soon()

    def _take(self, frames: list[bytes]) -> None:
        """Answer a subscription to a topic of readiness; all others are ZeroMQ's own business."""
        if frames[0].startswith(_SUBSCRIBE_READY):
            topic = frames[0][1:].decode(errors="replace")
            self._send(Event(topic, None, self.sequence, self._cred).frames())
