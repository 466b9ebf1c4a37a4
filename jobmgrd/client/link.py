"""One connection to the daemon: a ZeroMQ socket that knows when its connection broke.

ZeroMQ reconnects silently and forgets what was under way. Here a broken connection is noticed
(by the socket's monitor), what was under way fails, the socket is given up, and the next use
makes a new link; so no request reaches a daemon after its caller was told that it failed.

Only the first connect is ZeroMQ's to repeat, for a daemon too busy to accept. N.B. a daemon that
ends between the check and that connect is not noticed: the RPC waits, for a daemon or its timeout.
"""

import itertools
import math
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import zmq
import zmq.utils.monitor

from jobmgrd import multipart
from jobmgrd.client.errors import LOST, REFUSED, NoDaemonError
from jobmgrd.client.events import Feed
from jobmgrd.client.uri import IPC, TCP, Endpoints, address
from jobmgrd.curve import Curve

LINGER: Final = 100
"""Milliseconds for the last words of a closing link; then they are dropped."""

CONNECT_MAX: Final = 5.0
"""Seconds to wait for a daemon on another host to accept."""
HEARTBEAT: Final = 30_000
"""Milliseconds after which a daemon over tcp that is silent is asked whether it is still there."""

_REFUSED: Final = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
_BROKEN: Final = zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | _REFUSED


_monitors: Final = itertools.count()


class Link:
    """A DEALER or SUB socket connected to an ipc endpoint, or to a tcp one with keys.

    Queues are unbounded on this side: the daemon bounds what it keeps for a peer, and a caller
    bounds what it asks at once.

    Raises:
        NoDaemonError: nobody listens there.
    """

    def __init__(self, kind: int, endpoint: str, curve: Curve | None = None) -> None:
        _check(endpoint)
        self.broken = False
        self.reason = LOST
        """Why it is broken."""
        self.socket: zmq.Socket[bytes] = zmq.Context.instance().socket(kind)
        self.socket.setsockopt(zmq.LINGER, LINGER)  # also when nobody closes it
        self.socket.setsockopt(zmq.SNDHWM, 0)
        self.socket.setsockopt(zmq.RCVHWM, 0)
        self.monitor: zmq.Socket[bytes] = self.socket.get_monitor_socket(
            _BROKEN, f"inproc://jobmgrd-client-{next(_monitors)}"
        )
        if curve is not None and endpoint.startswith(TCP):
            curve.apply(self.socket)
            self.socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT)
        self.socket.connect(endpoint)

    def send(self, frames: Sequence[bytes]) -> None:
        """Queue a message; never blocks."""
        multipart.send(self.socket, frames)

    def receive(self) -> list[bytes] | None:
        """The next message, or None if there is none now."""
        try:
            return multipart.receive(self.socket)
        except zmq.Again:
            return None

    def look(self) -> bool:
        """Find out whether the link is broken; messages that came before can still be received."""
        try:
            while True:
                event = zmq.utils.monitor.parse_monitor_message(
                    self.monitor.recv_multipart(zmq.NOBLOCK)
                )
                self.broken = True
                if event["event"] & _REFUSED:
                    self.reason = REFUSED
        except zmq.Again:
            return self.broken

    def subscribe(self, prefixes: Iterable[bytes]) -> None:
        """Ask a publisher for messages, in this order."""
        for prefix in prefixes:
            self.socket.setsockopt(zmq.SUBSCRIBE, prefix)

    def turn(self, receive: Callable[[list[bytes]], object], timeout: float) -> bool:
        """Block until messages are there, the link breaks or seconds pass; take all messages.

        Returns:
            whether the link still holds.
        """
        if not self.broken:
            watched = [(self.socket, zmq.POLLIN), (self.monitor, zmq.POLLIN)]
            zmq.zmq_poll(watched, -1 if timeout == math.inf else math.ceil(timeout * 1000))
            self.look()  # before the last drain: what comes before the end is taken
        while (frames := self.receive()) is not None:
            receive(frames)
        return not self.broken

    def close(self) -> None:
        """Close; what was sent goes out within LINGER, in the background, unless broken."""
        self.socket.disable_monitor()
        self.monitor.close()
        self.socket.close(linger=0 if self.broken else LINGER)


def subscribing(endpoints: Endpoints) -> Link:
    """A link for a subscriber.

    Raises:
        NoDaemonError: nobody listens there.
    """
    if endpoints.events is None:
        return Link(zmq.DEALER, endpoints.rpc, endpoints.curve)
    return Link(zmq.SUB, endpoints.events, endpoints.curve)


def ask(link: Link, feed: Feed) -> None:
    """Ask for the events that a feed wants, in the way that the link has."""
    if link.socket.type == zmq.SUB:
        link.subscribe(feed.prefixes)
    else:
        for frames in feed.requests:
            link.send(frames)


def _check(endpoint: str) -> None:
    """Ask the system whether anybody listens, which ZeroMQ would not tell."""
    if endpoint.startswith(TCP):
        try:
            socket.create_connection(address(endpoint), CONNECT_MAX).close()
        except OSError as error:
            raise NoDaemonError(endpoint, error.strerror or str(error)) from error
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(endpoint.removeprefix(IPC))
        except BlockingIOError:
            return  # the daemon is there, its backlog is full
        except OSError as error:
            raise NoDaemonError(endpoint, error.strerror or str(error)) from error
