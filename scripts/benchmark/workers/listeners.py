"""Subscribers of purge events on bare SUB sockets; one of them reads nothing until the end.

What an event says is its seq alone here: what is missing between two of them is a loss that the
subscriber was told of, and could make good by job-manager.purge-log.
"""

import time

import msgspec
import zmq

from protocol.events import PURGE, READY
from scripts.benchmark.workers import arguments, say, told

TIMEOUT_MS = 60_000
LOOK_MS = 20
END = 60.0


class Seq(msgspec.Struct):
    """The part of a purge event that counts."""

    seq: int


decode = msgspec.msgpack.Decoder(Seq).decode


class Listener:
    """One subscriber, and what it has heard."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", events: str, n: int) -> None:
        self.socket = context.socket(zmq.SUB)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RCVTIMEO, TIMEOUT_MS)
        self.socket.connect(events)
        for topic in (PURGE, f"{READY}load-{n}."):  # the second is answered once both hold
            self.socket.setsockopt(zmq.SUBSCRIBE, topic.encode())
        self.heard = self.missed = self.last = 0

    def take(self) -> None:
        """Read all that is there."""
        try:
            while True:
                seq = decode(self.socket.recv_multipart(zmq.NOBLOCK)[1]).seq
                self.missed += seq - self.last - 1
                self.heard += 1
                self.last = seq
        except zmq.Again:
            return


def main(events: str, count: int) -> None:
    """Listen until told the last seq; say what was heard and what was missed."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
    context.set(zmq.MAX_SOCKETS, count + 16)
    listeners = [Listener(context, events, n) for n in range(count)]
    poller = zmq.Poller()
    by_socket = {}
    for listener in listeners:
        listener.socket.recv_multipart()
        by_socket[listener.socket] = listener
    deaf, *others = listeners
    for listener in others:
        poller.register(listener.socket, zmq.POLLIN)
    say()
    while not told(0.0):
        for socket, _ in poller.poll(LOOK_MS):
            by_socket[socket].take()
    deadline = time.monotonic() + END
    last = max((listener.last for listener in others), default=0)
    while time.monotonic() < deadline:
        ready = poller.poll(LOOK_MS)
        for socket, _ in ready:
            by_socket[socket].take()
        last = max(listener.last for listener in others)
        if not ready and all(listener.last == last for listener in others):
            break
    while deaf.socket.poll(LOOK_MS):
        deaf.take()
    say(
        heard=sum(listener.heard for listener in others),
        missed=sum(listener.missed for listener in others),
        behind=sum(listener.last != last for listener in others),
        last=last,
        deaf_heard=deaf.heard,
        deaf_last=deaf.last,
    )


if __name__ == "__main__":
    main(**arguments())
