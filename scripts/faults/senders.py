"""The ways in for messages that nobody should send, and how it is known that all were taken."""

import itertools
import random
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import zmq

from protocol import stream
from protocol.errors import MessageError
from protocol.events import READY
from protocol.message import HEADER_SIZE, Request, decode
from scripts.faults.mutation import BITS, Frames

PATIENCE: Final = 20.0
"""Seconds that a message may wait to be taken, and a bad client for an answer."""
TAGS: Final = itertools.count(1 << 20)
"""Matchtags that no mutated message begins with."""
_CHUNK: Final = 1 << 20


class SettleError(Exception):
    """The daemon did not take what was sent, or did not say so."""


class Sender(Protocol):
    """A bad client."""

    def send(self, frames: Frames) -> None:
        """Send a message."""

    def settle(self) -> None:
        """Return once all that was sent has been taken, and what came for it has been read."""

    def close(self) -> None:
        """Go without a word."""


def _mark() -> tuple[bytes, Request]:
    """A good request, and what the header of its answer ends with."""
    tag = next(TAGS)
    return tag.to_bytes(4, "big"), Request("broker.ping", b"\x80", matchtag=tag)


class ZmqSender:
    """A DEALER: the daemon drops what it cannot read, and the rest is in order."""

    def __init__(self, rundir: Path, _dice: random.Random) -> None:
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SNDTIMEO, int(PATIENCE * 1000))
        self._socket.connect(f"ipc://{rundir}/rpc")

    def send(self, frames: Frames) -> None:
        """See Sender."""
        self._socket.send_multipart(frames)

    def settle(self) -> None:
        """See Sender."""
        end, request = _mark()
        self.send(request.frames())
        deadline = time.monotonic() + PATIENCE
        while self._socket.poll(max(deadline - time.monotonic(), 0) * 1000):
            with suppress(zmq.Again):
                while frames := self._socket.recv_multipart(zmq.NOBLOCK):
                    if frames[-1].endswith(end):
                        return
        raise SettleError("a ping behind mutated messages was not answered")

    def close(self) -> None:
        """See Sender."""
        self._socket.close()


class Subscriber:
    """A subscriber to events who asks for what is none, and says what no subscriber says."""

    def __init__(self, rundir: Path, dice: random.Random) -> None:
        self._dice = dice
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.XSUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SNDTIMEO, int(PATIENCE * 1000))
        self._socket.connect(f"ipc://{rundir}/events")

    def send(self, frames: Frames) -> None:
        """Subscribe to a part of a message, end that, or send it as it is."""
        what = self._dice.choice((b"\x01", b"\x00", b"\x01" + READY.encode(), b"", b"\x02"))
        self._socket.send_multipart([what + frames[0], *frames[1 : self._dice.randrange(1, 3)]])

    def settle(self) -> None:
        """See Sender: a subscription to a topic of readiness is answered by an event."""
        topic = f"{READY}{next(TAGS)}".encode()
        self._socket.send(b"\x01" + topic)
        deadline = time.monotonic() + PATIENCE
        while self._socket.poll(max(deadline - time.monotonic(), 0) * 1000):
            with suppress(zmq.Again):
                while frames := self._socket.recv_multipart(zmq.NOBLOCK):
                    if frames[0] == topic + b"\0":
                        return
        raise SettleError("a subscription behind mutated ones is not in effect")

    def close(self) -> None:
        """See Sender."""
        self._socket.close()


class LocalSender:
    """A client of the local connector, which throws it out for a message that it cannot read.

    So a message that is none ends its connection, and the next one goes by another: what follows
    would not be read. One in fifty has a wrong frame around it.
    """

    def __init__(self, rundir: Path, dice: random.Random) -> None:
        self._path = str(rundir / "local")
        self._dice = dice
        self._ending: list[socket.socket] = []
        self._socket = self._connected()

    def _connected(self) -> socket.socket:
        found = socket.socket(socket.AF_UNIX)
        found.settimeout(PATIENCE)
        found.connect(self._path)
        return found

    def send(self, frames: Frames) -> None:
        """See Sender."""
        data, broken = bytearray(stream.encode(frames)), not _is_message(frames)
        if not self._dice.randrange(50):
            data[self._dice.randrange(len(data))] ^= 1 << self._dice.randrange(BITS)
            broken = True
        with suppress(ConnectionError):  # it has read enough
            self._socket.sendall(data)
        if broken:
            self._end()
            self._socket = self._connected()

    def _end(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        self._ending.append(self._socket)

    def settle(self) -> None:
        """See Sender."""
        for ended in self._ending:
            with suppress(ConnectionError):
                while self._read(ended):
                    pass
            ended.close()
        self._ending.clear()
        end, request = _mark()
        self._socket.sendall(stream.encode(request.frames()))
        last = b""
        while end not in last:
            data = self._read(self._socket)
            if not data:
                raise SettleError("the local connector closed on good messages")
            last = last[-HEADER_SIZE:] + data

    def _read(self, client: socket.socket) -> bytes:
        try:
            return client.recv(_CHUNK)
        except TimeoutError:
            raise SettleError("the local connector neither answered nor hung up") from None

    def close(self) -> None:
        """See Sender."""
        for client in (*self._ending, self._socket):
            client.close()


def _is_message(frames: Frames) -> bool:
    try:
        decode(stream.normal(frames))
    except MessageError:
        return False
    return True
