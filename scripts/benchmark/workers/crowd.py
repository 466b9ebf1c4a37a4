"""A crowd that does nothing: clients that were answered once, subscribers whose topic never comes.

Bare sockets in one context, so that the crowd costs the machine nothing but its connections.
"""

import zmq

from protocol.message import Request
from scripts.benchmark.workers import arguments, say, wait

TIMEOUT_MS = 60_000


def main(rpc: str, events: str, clients: int, subscribers: int) -> None:
    """Connect all, say so, and hold the connections until told."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.set(zmq.MAX_SOCKETS, clients + subscribers + 16)
    asked = Request("job-manager.getinfo", matchtag=1).frames()
    sockets: list[zmq.Socket[bytes]] = []
    for _ in range(clients):
        dealer = context.socket(zmq.DEALER)
        sockets.append(_ready(dealer))
        dealer.connect(rpc)
        dealer.send_multipart(asked)
    for n in range(subscribers):
        subscriber = context.socket(zmq.SUB)
        sockets.append(_ready(subscriber))
        subscriber.connect(events)
        for topic in ("bench.idle", f"event.ready.bench-{n}"):  # answered once it is in effect
            subscriber.setsockopt(zmq.SUBSCRIBE, topic.encode())
    for connected in sockets:
        connected.recv_multipart()
    say()
    wait()


def _ready(socket: "zmq.Socket[bytes]") -> "zmq.Socket[bytes]":
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.RCVTIMEO, TIMEOUT_MS)
    return socket


if __name__ == "__main__":
    main(**arguments())
