"""The PUB socket: events out.

It is an XPUB, so that it sees subscriptions: a subscriber that wants to know when its
subscription is in effect subscribes last to a topic of its own, READY and a token, and is
answered with an event of that topic whose sequence is that of the last regular event. The
edge-triggered descriptor is read as zmq_router.py explains.

A subscriber that does not read loses events once `SEND_HWM` of them wait for it; the sequence
in each event's header lets it notice. Nobody else is slowed down.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import zmq

from jobmgrd import multipart
from protocol.events import READY
from protocol.message import Cred, Event

SEND_HWM: Final = 10_000
_SUBSCRIBE_READY: Final = b"\x01" + READY.encode()


class ZmqPub:
    """Binds the event endpoints and numbers what it publishes."""

    def __init__(
        self, context: "zmq.Context[zmq.Socket[bytes]]", endpoints: Sequence[str], cred: Cred
    ) -> None:
        self._endpoints = endpoints
        self._cred = cred
        self._check_due = False
        self.sequence = 0
        self._socket = context.socket(zmq.XPUB)
        self._socket.setsockopt(zmq.LINGER, 200)
        self._socket.setsockopt(zmq.SNDHWM, SEND_HWM)

    def open(self) -> None:
        """Bind, and begin to answer subscribers.

        Raises:
            zmq.ZMQError: an endpoint cannot be bound.
        """
        for endpoint in self._endpoints:
            self._socket.bind(endpoint)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._drain)
        self._check_soon()

    def close(self) -> None:
        """Close the socket; events that were published still go out within its linger time."""
        if not self._socket.closed:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def publish(self, topic: str, payload: bytes | None, cred: Cred | None = None) -> int:
        """Publish an event and return its sequence; never blocks."""
        self.sequence += 1
        self._send(Event(topic, payload, self.sequence & 0xFFFFFFFF, cred or self._cred))
        return self.sequence

    def _send(self, event: Event) -> None:
        multipart.send(self._socket, event.frames())
        self._check_soon()

    def _check_soon(self) -> None:
        if not self._check_due:
            self._check_due = True
            self._loop.call_soon(self._check)

    def _check(self) -> None:
        self._check_due = False
        if not self._socket.closed and self._readable():
            self._drain()

    def _readable(self) -> bool:
        return bool(int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)

    def _drain(self) -> None:
        try:
            while True:
                message = self._socket.recv(zmq.NOBLOCK)
                if message.startswith(_SUBSCRIBE_READY):
                    topic = message[1:].decode(errors="replace")
                    self._send(Event(topic, None, self.sequence & 0xFFFFFFFF, self._cred))
        except zmq.Again:
            pass
