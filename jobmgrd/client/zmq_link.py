"""A connection over ZeroMQ: a socket that knows when its connection broke.

ZeroMQ reconnects silently and forgets what was under way. Here a broken connection is noticed, by
the socket's monitor.

Only the first connect is ZeroMQ's to repeat, for a daemon too busy to accept. N.B. a daemon that
ends between the probe of an ipc endpoint and that connect is not noticed: the RPC waits, for a
daemon or its timeout.
"""

import errno
import itertools
import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

import zmq
import zmq.utils.monitor

from jobmgrd import multipart
from jobmgrd.client import probe
from jobmgrd.client.calls import notice
from jobmgrd.client.errors import (
    LOST,
    REFUSED,
    UNFINISHED,
    ConnectionLostError,
    NoDaemonError,
    NotAdmittedError,
)
from jobmgrd.client.uri import TCP, Endpoints

if TYPE_CHECKING:
    from jobmgrd.client.zmq_pump import ZmqPump
    from jobmgrd.curve import Curve

LINGER: Final = 100
"""Milliseconds for the last words of a closing link; then they are dropped."""

HEARTBEAT: Final = 30_000
"""Milliseconds after which a daemon over tcp that is silent is asked whether it is still there."""

_REFUSED: Final = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
_BROKEN: Final = zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | _REFUSED
_BEGUN: Final = zmq.EVENT_CONNECTED | zmq.EVENT_CONNECT_RETRIED

_monitors: Final = itertools.count()


class ZmqLink:
    """A DEALER or SUB socket connected to an ipc endpoint, or to a tcp one with keys. See Link.

    Queues are unbounded on this side: the daemon bounds what it keeps for a peer, and a caller
    bounds what it asks at once.
    """

    def __init__(self, kind: int, endpoint: str, curve: "Curve | None" = None) -> None:
        self.broken = False
        self.error = ConnectionLostError(LOST)
        curve = curve if endpoint.startswith(TCP) else None
        self._curve = curve is not None
        self.socket: zmq.Socket[bytes] = zmq.Context.instance().socket(kind)
        self.socket.setsockopt(zmq.LINGER, LINGER)  # also when nobody closes it
        self.socket.setsockopt(zmq.SNDHWM, 0)
        self.socket.setsockopt(zmq.RCVHWM, 0)
        self.monitor: zmq.Socket[bytes] = self.socket.get_monitor_socket(
            _BROKEN | (_BEGUN if curve else 0), f"inproc://jobmgrd-client-{next(_monitors)}"
        )
        if curve is not None:
            curve.apply(self.socket)
            self.socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT)
        self.socket.connect(endpoint)
        if curve is not None:
            self._await_connection(endpoint)

    def _await_connection(self, endpoint: str) -> None:
        """Wait until somebody has taken the connection.

        Raises:
            NoDaemonError: nobody does.
        """
        deadline = time.monotonic() + probe.CONNECT_MAX
        try:
            while self.monitor.poll(max(0, math.ceil((deadline - time.monotonic()) * 1000))):
                event = self._event()
                if event & zmq.EVENT_CONNECTED:
                    return
                if event & zmq.EVENT_CONNECT_RETRIED:
                    probe.reachable(endpoint)
            raise NoDaemonError(endpoint, os.strerror(errno.ETIMEDOUT))
        except NoDaemonError:
            self.broken = True
            self.close()
            raise

    def _event(self) -> int:
        """The next event of the socket; zmq.Again if there is none now."""
        frames = self.monitor.recv_multipart(zmq.NOBLOCK)
        return int(zmq.utils.monitor.parse_monitor_message(frames)["event"])

    def send(self, frames: Sequence[bytes]) -> None:
        """See Link."""
        multipart.send(self.socket, frames)

    def receive(self) -> list[bytes] | None:
        """The next message, or None if there is none now."""
        try:
            return multipart.receive(self.socket)
        except zmq.Again:
            return None

    def look(self) -> bool:
        """See Link."""
        try:
            while True:
                event = self._event()
                self.broken |= bool(event & _BROKEN)
                if event & _REFUSED:
                    self.error = NotAdmittedError(REFUSED)
                elif event & zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL and self._curve:
                    self.error = ConnectionLostError(UNFINISHED)
        except zmq.Again:
            return self.broken

    def subscribe(self, prefixes: Iterable[bytes]) -> None:
        """Ask a publisher for messages, in this order."""
        for prefix in prefixes:
            self.socket.setsockopt(zmq.SUBSCRIBE, prefix)

    def turn(self, receive: Callable[[list[bytes]], object], timeout: float) -> bool:
        """See Link."""
        if not self.broken:
            watched = [(self.socket, zmq.POLLIN), (self.monitor, zmq.POLLIN)]
            zmq.zmq_poll(watched, -1 if timeout == math.inf else math.ceil(timeout * 1000))
            self.look()  # before the last drain: what comes before the end is taken
        while (frames := self.receive()) is not None:
            receive(frames)
        return not self.broken

    def pump(
        self,
        receive: Callable[[Sequence[bytes]], None],
        lost: Callable[[ConnectionLostError], None],
    ) -> "ZmqPump":
        """See Link."""
        from jobmgrd.client.zmq_pump import ZmqPump  # noqa: PLC0415 - who blocks needs no asyncio

        return ZmqPump(self, receive, lost)

    def close(self) -> None:
        """Say goodbye, and close; what was sent goes out within LINGER, in the background."""
        if self.socket.type == zmq.DEALER and not self.broken:
            self.send(notice("disconnect"))
        self.socket.disable_monitor()
        self.monitor.close()
        self.socket.close(linger=0 if self.broken else LINGER)


def dealer(endpoints: Endpoints) -> ZmqLink:
    """A link for RPCs; somebody listens."""
    return ZmqLink(zmq.DEALER, endpoints.rpc, endpoints.curve)


def subscriber(endpoints: Endpoints, prefixes: Iterable[bytes]) -> ZmqLink:
    """A link to the publisher, for messages that begin so; somebody listens."""
    link = ZmqLink(zmq.SUB, endpoints.events or "", endpoints.curve)
    link.subscribe(prefixes)
    return link
