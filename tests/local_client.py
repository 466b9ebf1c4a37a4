"""A small client of Flux's local connector that shares no code with the daemon.

It is written from RFC 3 and from what flux-core's tools put on the wire: what both sides of the
daemon's own code understand wrongly in the same way, this one does not.
"""

import json
import socket
import struct
import sys
from pathlib import Path
from typing import Any, NamedTuple, Self

TIMEOUT = 20.0
MAGIC = b"\x12\x00\xee\xff" if sys.byteorder == "little" else b"\xff\xee\x00\x12"
REQUEST, RESPONSE, EVENT = 1, 2, 4
TOPIC, PAYLOAD, NORESPONSE, ROUTE, STREAMING = 0x01, 0x02, 0x04, 0x08, 0x40
ANY = 0xFFFFFFFF


class Received(NamedTuple):
    """A response or an event; `number` is the errnum of the one, the sequence of the other."""

    type: int
    topic: str
    payload: bytes | None
    number: int
    matchtag: int
    userid: int
    rolemask: int

    @property
    def value(self) -> Any:  # noqa: ANN401 - JSON
        """The payload's JSON."""
        assert self.payload is not None
        assert self.payload.endswith(b"}\0")
        return json.loads(self.payload[:-1])

    @property
    def text(self) -> str:
        """The text of an error."""
        return (self.payload or b"").rstrip(b"\0").decode()


def part(data: bytes) -> bytes:
    """One part of a message."""
    size = len(data)
    return (bytes([size]) if size < 255 else b"\xff" + struct.pack(">I", size)) + data


def message(
    topic: str,
    payload: bytes | None = None,
    *,
    matchtag: int = 0,
    flags: int = 0,
    type: int = REQUEST,
    userid: int = ANY,
    rolemask: int = 0,
) -> bytes:
    """A request or an event as flux-core's clients frame it: no delimiter, no NUL."""
    body = part(topic.encode())
    flags |= TOPIC
    if payload is not None:
        body += part(payload)
        flags |= PAYLOAD
    header = struct.pack(">BBBBIIII", 0x8E, 1, type, flags, userid, rolemask, ANY, matchtag)
    body += part(header)
    return MAGIC + struct.pack(">I", len(body)) + body


class LocalClient:
    """A connection to RUNDIR/local, blocking."""

    def __init__(self, rundir: Path, *, userid: int = ANY, rolemask: int = 0) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect(str(rundir / "local"))
        self.greeting = self.socket.recv(1)
        self.events: list[Received] = []
        self._claim = {"userid": userid, "rolemask": rolemask}
        self._buffer = b""
        self._matchtag = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, topic: str, value: object = None, flags: int = 0) -> int:
        """Send a request; its matchtag."""
        self._matchtag += 1
        payload = None if value is None else json.dumps(value).encode() + b"\0"
        data = message(topic, payload, matchtag=self._matchtag, flags=flags, **self._claim)
        self.socket.sendall(data)
        return self._matchtag

    def receive(self) -> Received:
        """The next message, whatever it is."""
        head = self._take(8)
        assert head[:4] == MAGIC
        data = self._take(struct.unpack(">I", head[4:])[0])
        parts = []
        while data:
            size, data = data[0], data[1:]
            if size == 255:
                size, data = struct.unpack(">I", data[:4])[0], data[4:]
            parts.append(data[:size])
            data = data[size:]
        magic, version, type_, flags, userid, rolemask, number, matchtag = struct.unpack(
            ">BBBBIIII", parts.pop()
        )
        assert (magic, version) == (0x8E, 1)
        payload = parts.pop() if flags & PAYLOAD else None
        topic = parts.pop().rstrip(b"\0").decode()
        assert parts == ([b""] if flags & ROUTE else [])
        return Received(type_, topic, payload, number, matchtag, userid, rolemask)

    def response(self, matchtag: int) -> Received:
        """The next response to a request; events that come before it are kept."""
        while True:
            received = self.receive()
            if received.type == EVENT:
                self.events.append(received)
            elif received.matchtag == matchtag:
                return received

    def ask(self, topic: str, value: object = None, flags: int = 0) -> Received:
        """Send a request and receive its response."""
        return self.response(self.send(topic, value, flags))

    def event(self) -> Received:
        """The next event."""
        return self.events.pop(0) if self.events else self.receive()

    def ended(self) -> bool:
        """Whether the server closes the connection, whatever it sends before."""
        try:
            while self.socket.recv(1 << 16):
                pass
        except ConnectionResetError:
            pass
        return True

    def _take(self, n: int) -> bytes:
        while len(self._buffer) < n:
            data = self.socket.recv(1 << 16)
            if not data:
                raise ConnectionResetError("the server has closed the connection")
            self._buffer += data
        taken, self._buffer = self._buffer[:n], self._buffer[n:]
        return taken
