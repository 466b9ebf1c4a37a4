"""A daemon for client tests: real sockets in a thread, with answers that a test writes."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import zmq

from protocol import stream
from protocol.message import FLAG_STREAMING, Event, Request, Response
from protocol.payload import decode as decode_payload
from protocol.payload import encode
from tests.client.doors import Door, LocalDoor, ZmqDoor

Answer: TypeAlias = dict[str, Any] | tuple[int, str] | None
"""A payload, an error's errnum and text, or an empty response."""

Handler: TypeAlias = Callable[[Request], Iterable[Answer]]

WAYS = ("ipc", "local")
"""The ways in: by ZeroMQ, and by the local connector."""


def silence(_: Request) -> Iterable[Answer]:
    """Answers nothing, as to every topic without a handler."""
    return ()


class FakeDaemon:
    """One way in to a run directory; `handlers` answer by topic, in the daemon's thread.

    Everything else that a test does to it happens in that thread too, by `do`.
    """

    def __init__(self, rundir: Path, way: str = "ipc", greeting: bytes = stream.GREETING) -> None:
        self.uri = str(rundir)
        self.way = way
        self.handlers: dict[str, Handler] = {"echo": lambda r: [decode_payload(r.payload)]}
        self.requests: queue.Queue[Request] = queue.Queue()
        self.subscribed = threading.Event()
        self.sequence = 0
        self._todo: queue.Queue[Callable[[], None]] = queue.Queue()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._wake = self._context.socket(zmq.PAIR)
        self._wake.bind("inproc://wake")
        self._leaving = False
        self._door: Door
        if way == "ipc":
            self._door = ZmqDoor(self._context, rundir)
        else:
            self._door = LocalDoor(rundir, greeting)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def received(self, topic: str) -> Request:
        """The next request of this topic that arrives, or has arrived."""
        while (request := self.requests.get(timeout=10)).topic != topic:
            pass
        return request

    def confirm_nothing(self) -> None:
        """Leave subscribers waiting."""
        self._door.confirms = False

    def publish(self, topic: str, payload: dict[str, Any] | bytes, *, skip: int = 0) -> None:
        """Publish an event, after `skip` events that nobody gets."""
        body = payload if isinstance(payload, bytes) else encode(payload)

        def publish() -> None:
            self.sequence += 1 + skip
            self._door.publish(Event(topic, body, self.sequence))

        self.do(publish)

    def respond(self, request: Request, answer: Answer, matchtag: int | None = None) -> None:
        """Answer a request; from the daemon's thread only."""
        errnum, body = 0, None if answer is None else b""
        if isinstance(answer, dict):
            body = encode(answer)
        elif answer is not None:
            errnum, body = answer[0], answer[1].encode() + b"\0"
        self._door.respond(
            Response(
                request.topic,
                body,
                errnum,
                matchtag=request.matchtag if matchtag is None else matchtag,
                flags=request.flags & FLAG_STREAMING,
                routes=request.routes,
            )
        )

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

    def _run(self) -> None:
        wake = self._context.socket(zmq.PAIR)
        wake.connect("inproc://wake")
        while not self._leaving:
            poller = zmq.Poller()
            for socket in (wake, *self._door.sockets()):
                poller.register(socket, zmq.POLLIN)
            for socket, _ in poller.poll():
                if socket is wake:
                    self._work(wake)
                else:
                    self._take(socket)
        self._door.close()
        wake.close()

    def _work(self, wake: "zmq.Socket[bytes]") -> None:
        wake.recv()
        while not self._todo.empty():
            self._todo.get()()

    def _take(self, socket: "zmq.Socket[bytes] | int") -> None:
        for request in self._door.take(socket):
            self.requests.put(request)
            for answer in self.handlers.get(request.topic, silence)(request):
                self.respond(request, answer)
        if self._door.subscribed:
            self.subscribed.set()


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """Each way in, one after the other."""
    return str(request.param)


@pytest.fixture
def start_daemon(tmp_path: Path, way: str) -> Iterator[Callable[[], FakeDaemon]]:
    """Starts a FakeDaemon; one after the other, all in the same run directory."""
    started: list[FakeDaemon] = []

    def start() -> FakeDaemon:
        started.append(FakeDaemon(tmp_path, way))
        return started[-1]

    yield start
    for fake in started:
        fake.stop()


@pytest.fixture
def daemon(start_daemon: Callable[[], FakeDaemon]) -> FakeDaemon:
    """A running FakeDaemon."""
    return start_daemon()
