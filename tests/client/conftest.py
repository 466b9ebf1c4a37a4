"""A daemon for client tests: real sockets in a thread, with answers that a test writes."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import zmq

from protocol.events import READY
from protocol.message import FLAG_STREAMING, Event, Request, Response, decode
from protocol.payload import decode as decode_payload
from protocol.payload import encode

Answer: TypeAlias = dict[str, Any] | tuple[int, str] | None
"""A payload, an error's errnum and text, or an empty response."""

Handler: TypeAlias = Callable[[Request], Iterable[Answer]]


def silence(_: Request) -> Iterable[Answer]:
    """Answers nothing, as to every topic without a handler."""
    return ()


class FakeDaemon:
    """ROUTER and XPUB in a run directory; `handlers` answer by topic, in the daemon's thread.

    Everything else that a test does to it happens in that thread too, by `do`.
    """

    def __init__(self, rundir: Path) -> None:
        self.uri = str(rundir)
        self.handlers: dict[str, Handler] = {"echo": lambda r: [decode_payload(r.payload)]}
        self.requests: queue.Queue[Request] = queue.Queue()
        self.confirms = True
        self.subscribed = threading.Event()
        self.sequence = 0
        self._todo: queue.Queue[Callable[[], None]] = queue.Queue()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._wake = self._context.socket(zmq.PAIR)
        self._wake.bind("inproc://wake")
        self._leaving = False
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,))
        self._thread.start()
        started.wait()

    def received(self, topic: str) -> Request:
        """The next request of this topic that arrives, or has arrived."""
        while (request := self.requests.get(timeout=10)).topic != topic:
            pass
        return request

    def publish(self, topic: str, payload: dict[str, Any] | bytes, *, skip: int = 0) -> None:
        """Publish an event, after `skip` events that nobody gets."""
        body = payload if isinstance(payload, bytes) else encode(payload)

        def publish() -> None:
            self.sequence += 1 + skip
            self._xpub.send_multipart(Event(topic, body, self.sequence).frames())

        self.do(publish)

    def respond(self, request: Request, answer: Answer, matchtag: int | None = None) -> None:
        """Answer a request; from the daemon's thread only."""
        errnum, body = 0, None if answer is None else b""
        if isinstance(answer, dict):
            body = encode(answer)
        elif answer is not None:
            errnum, body = answer[0], answer[1].encode() + b"\0"
        response = Response(
            request.topic,
            body,
            errnum,
            matchtag=request.matchtag if matchtag is None else matchtag,
            flags=request.flags & FLAG_STREAMING,
            routes=request.routes,
        )
        self._router.send_multipart(response.frames())

    def do(self, action: Callable[[], None]) -> None:
        """Have something done in the daemon's thread, and wait until it is."""
        done = threading.Event()
        self._todo.put(action)
        self._todo.put(done.set)
        self._wake.send(b"")
        done.wait()

    def leave(self) -> None:
        """End after what is being done; from the daemon's thread only."""
        self._leaving = True

    def stop(self) -> None:
        """End, and wait until all sockets are closed. Idempotent."""
        if not self._leaving:
            self.do(self.leave)
        self._thread.join()
        self._wake.close()
        self._context.term()

    def _socket(self, kind: int, name: str) -> "zmq.Socket[bytes]":
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.LINGER, 100)
        socket.setsockopt(zmq.SNDHWM, 0)
        socket.setsockopt(zmq.RCVHWM, 0)
        socket.bind(f"ipc://{self.uri}/{name}")
        return socket

    def _run(self, started: threading.Event) -> None:
        self._router = self._socket(zmq.ROUTER, "rpc")
        self._xpub = self._socket(zmq.XPUB, "events")
        wake = self._context.socket(zmq.PAIR)
        wake.connect("inproc://wake")
        started.set()
        poller = zmq.Poller()
        for socket in (self._router, self._xpub, wake):
            poller.register(socket, zmq.POLLIN)
        while not self._leaving:
            ready = dict(poller.poll())
            if wake in ready:
                wake.recv()
                while not self._todo.empty():
                    self._todo.get()()
            if self._router in ready:
                self._answer(self._router.recv_multipart())
            if self._xpub in ready:
                self._confirm(self._xpub.recv())
        for socket in (self._router, self._xpub, wake):
            socket.close()

    def _answer(self, frames: list[bytes]) -> None:
        request = decode(frames)
        assert isinstance(request, Request)
        self.requests.put(request)
        for answer in self.handlers.get(request.topic, silence)(request):
            self.respond(request, answer)

    def _confirm(self, frame: bytes) -> None:
        """What the real daemon's XPUB does (jobmgrd.client.events)."""
        self.subscribed.set()
        if self.confirms and frame.startswith(b"\x01" + READY.encode()):
            event = Event(frame[1:].decode(), sequence=self.sequence)
            self._xpub.send_multipart(event.frames())


@pytest.fixture
def start_daemon(tmp_path: Path) -> Iterator[Callable[[], FakeDaemon]]:
    """Starts a FakeDaemon; one after the other, all in the same run directory."""
    started: list[FakeDaemon] = []

    def start() -> FakeDaemon:
        started.append(FakeDaemon(tmp_path))
        return started[-1]

    yield start
    for fake in started:
        fake.stop()


@pytest.fixture
def daemon(start_daemon: Callable[[], FakeDaemon]) -> FakeDaemon:
    """A running FakeDaemon."""
    return start_daemon()
