"""A client as nobody wants it: asks as fast as it can, does not read, sends what is no message."""

import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import zmq

from protocol import stream
from protocol.message import FLAG_STREAMING, Request
from protocol.payload import encode
from scripts.benchmark.jobs import simulated
from scripts.benchmark.workers import arguments, say, told

TURN: Final = 100
"""Messages between two looks at what the suite says."""


def main(uri: str, manner: str) -> None:
    """Be rude until the suite says go; say how many messages were sent a second."""
    step = MANNERS[manner](uri)
    say()
    sent, begin = 0, time.monotonic()
    while not told(0.0):
        sent += step()
    say(rate=sent / (time.monotonic() - begin))


def busy(_uri: str) -> Callable[[], int]:
    """Nothing but a busy process: what the machine itself takes from its neighbours."""

    def step() -> int:
        sum(range(10_000))
        return 0

    return step


class Dealer:
    """A DEALER that sends the same messages again and again."""

    def __init__(self, uri: str, *messages: list[bytes], reads: bool = True) -> None:
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SNDTIMEO, 100)
        self._socket.connect(f"ipc://{uri}/rpc")
        self._messages = messages
        self._reads = reads

    def step(self) -> int:
        """Send for a turn, as far as the daemon takes it; read all that has come."""
        sent = 0
        with suppress(zmq.Again):
            for _ in range(TURN):
                for message in self._messages:
                    self._socket.send_multipart(message)
                    sent += 1
        with suppress(zmq.Again):
            while self._reads:
                self._socket.recv_multipart(zmq.NOBLOCK)
        return sent


def _request(topic: str, payload: Any = None, flags: int = 0, tag: int = 1) -> list[bytes]:  # noqa: ANN401
    body = None if payload is None else encode(payload)
    return Request(topic, body, flags=flags, matchtag=tag).frames()


def flood(uri: str) -> Callable[[], int]:
    """Small requests."""
    return Dealer(uri, _request("job-manager.getinfo")).step


def deaf(uri: str) -> Callable[[], int]:
    """Requests for large answers that are never read."""
    listing = _request("job-list.list", {"max_entries": 1000, "attrs": ["all"]})
    return Dealer(uri, listing, reads=False).step


def garbage(uri: str) -> Callable[[], int]:
    """What is no message."""
    return Dealer(uri, [b"", b"topic\0", b"no header"]).step


def streams(uri: str) -> Callable[[], int]:
    """Streams that are ended at once."""
    opened = _request("job-manager.events-journal", {}, FLAG_STREAMING)
    ended = _request("job-manager.events-journal-cancel", {"matchtag": 1})
    return Dealer(uri, opened, ended).step


def submits(uri: str) -> Callable[[], int]:
    """Jobs: nothing rude, but much."""
    return Dealer(uri, _request("job-ingest.submit", {"jobspec": simulated()})).step


def local(uri: str) -> Callable[[], int]:
    """Small requests on the local connector."""
    connector = socket.socket(socket.AF_UNIX)
    connector.connect(f"{uri}/local")
    connector.recv(1)
    connector.setblocking(False)
    turn = stream.encode(_request("job-manager.getinfo")) * TURN
    rest = b""

    def step() -> int:
        nonlocal rest
        sent = 0
        select.select([connector], [connector], [], 0.1)
        with suppress(BlockingIOError):
            sent = TURN if not rest else 0
            rest = rest or turn
            rest = rest[connector.send(rest) :]
        with suppress(BlockingIOError):
            while connector.recv(1 << 20):
                pass
        return sent

    return step


MANNERS: Final = {
    made.__name__: made for made in (busy, flood, deaf, garbage, streams, submits, local)
}

if __name__ == "__main__":
    main(**arguments())
