"""The ways into a fake daemon: the sockets of a real one, read and written in a test's thread."""

import socket
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

import msgspec
import zmq

from protocol import stream
from protocol.events import READY
from protocol.message import FLAG_NORESPONSE, Event, Request, Response, decode
from protocol.payload import decode as decode_payload

Pollable: TypeAlias = "zmq.Socket[bytes] | int"


class Door(Protocol):
    """One way in. A request's route names its sender."""

    confirms: bool
    subscribed: int
    """How many subscriptions have come."""

    def sockets(self) -> Iterable[Pollable]:
        """What to wait for."""

    def take(self, ready: Pollable) -> Iterable[Request]:
        """The requests that have come by one of them."""

    def respond(self, response: Response) -> None:
        """Answer."""

    def publish(self, event: Event) -> None:
        """Send an event to those who subscribed."""

    def close(self) -> None:
        """Close all sockets."""


class ZmqDoor:
    """ROUTER and XPUB."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", rundir: Path) -> None:
        self.confirms = True
        self.subscribed = 0
        self._sequence = 0
        self._router = _bound(context, zmq.ROUTER, rundir / "rpc")
        self._xpub = _bound(context, zmq.XPUB, rundir / "events")

    def sockets(self) -> Iterable[Pollable]:
        """See Door."""
        return (self._router, self._xpub)

    def take(self, ready: Pollable) -> Iterable[Request]:
        """See Door."""
        if ready is self._xpub:
            self._confirm(self._xpub.recv())
            return ()
        request = decode(self._router.recv_multipart())
        assert isinstance(request, Request)
        return (request,)

    def respond(self, response: Response) -> None:
        """See Door."""
        self._router.send_multipart(response.frames())

    def publish(self, event: Event) -> None:
        """See Door."""
        self._sequence = event.sequence
        self._xpub.send_multipart(event.frames())

    def close(self) -> None:
        """See Door."""
        self._router.close()
        self._xpub.close()

    def _confirm(self, frame: bytes) -> None:
        """What the real daemon's XPUB does (jobmgrd.client.events)."""
        self.subscribed += 1
        if self.confirms and frame.startswith(b"\x01" + READY.encode()):
            event = Event(frame[1:].decode(), sequence=self._sequence)
            self._xpub.send_multipart(event.frames())


def _bound(context: "zmq.Context[zmq.Socket[bytes]]", kind: int, path: Path) -> "zmq.Socket[bytes]":
    made = context.socket(kind)
    made.setsockopt(zmq.LINGER, 100)
    made.setsockopt(zmq.SNDHWM, 0)
    made.setsockopt(zmq.RCVHWM, 0)
    made.bind(f"ipc://{path}")
    return made


class LocalDoor:
    """The local connector; a connection that ends says `disconnect`, as a DEALER does."""

    def __init__(self, rundir: Path, greeting: bytes = stream.GREETING) -> None:
        self.confirms = True
        self.subscribed = 0
        self._greeting = greeting
        self._clients: dict[int, _Client] = {}
        self._path = rundir / "local"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen()

    def sockets(self) -> Iterable[Pollable]:
        """See Door."""
        return (self._listener.fileno(), *self._clients)

    def take(self, ready: Pollable) -> Iterable[Request]:
        """See Door."""
        assert isinstance(ready, int)
        if ready == self._listener.fileno():
            self._accept()
            return
        client = self._clients[ready]
        try:
            data = client.socket.recv(1 << 20)
        except ConnectionResetError:  # it left something unread
            data = b""
        if not data:
            self._clients.pop(ready).socket.close()
            yield Request("disconnect", flags=FLAG_NORESPONSE)
        for frames in client.splitter.feed(data):
            request = decode(frames)
            assert isinstance(request, Request)
            request = msgspec.structs.replace(request, routes=(str(ready).encode(),))
            if request.topic == "event.subscribe":
                self._subscribe(client, request)
            else:
                yield request

    def respond(self, response: Response) -> None:
        """See Door."""
        if (client := self._clients.get(int(response.routes[0]))) is None:
            return  # it has gone, which a ROUTER does not tell either
        client.send(msgspec.structs.replace(response, routes=()).frames())

    def publish(self, event: Event) -> None:
        """See Door."""
        for client in self._clients.values():
            if event.topic.startswith(tuple(client.topics)):
                client.send(event.frames())

    def close(self) -> None:
        """See Door."""
        self._listener.close()
        self._path.unlink()
        for client in self._clients.values():
            client.socket.close()

    def _accept(self) -> None:
        client = _Client(self._listener.accept()[0])
        client.socket.sendall(self._greeting)
        if self._greeting == stream.GREETING:
            self._clients[client.socket.fileno()] = client
        else:
            client.socket.close()

    def _subscribe(self, client: "_Client", request: Request) -> None:
        self.subscribed += 1
        client.topics.append(decode_payload(request.payload)["topic"])
        if self.confirms:
            self.respond(Response(request.topic, matchtag=request.matchtag, routes=request.routes))


class _Client:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.splitter = stream.Splitter(1 << 26)
        self.topics: list[str] = []

    def send(self, frames: Sequence[bytes]) -> None:
        self.socket.sendall(stream.encode(frames))
