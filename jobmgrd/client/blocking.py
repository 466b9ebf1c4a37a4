"""The blocking client: the same methods, for scripts without an event loop.

It reads its socket only while one of its methods waits, so it has no thread, and one thread at
a time may use it.
"""

import math
import time
from collections import deque
from collections.abc import Generator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from jobmgrd.client.calls import Calls, Outcome, Payload, cancel, checked, is_end, value
from jobmgrd.client.errors import ConnectionLostError, RpcTimeoutError
from jobmgrd.client.events import Event, Feed
from jobmgrd.client.link import Link, connect, subscribe
from jobmgrd.client.uri import Endpoints, find
from protocol.errors import PayloadError

T = TypeVar("T")


class BlockingClient:
    """A connection to a daemon; see Client for arguments, errors and what a lost one means."""

    def __init__(
        self,
        uri: str | None = None,
        timeout: float = 30.0,
        *,
        key: str | None = None,
        server_key: str | None = None,
    ) -> None:
        self.endpoints = find(uri, key=key, server_key=server_key)
        self.timeout = timeout
        self._calls = Calls()
        self._link: Link | None = None
        self._closed = False

    def __enter__(self) -> Self:
        self._connected()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @overload
    def rpc(
        self, topic: str, payload: Payload = None, *, timeout: float | None = None
    ) -> dict[str, Any]: ...
    @overload
    def rpc(
        self, topic: str, payload: Payload = None, *, timeout: float | None = None, reply: type[T]
    ) -> T: ...
    def rpc(
        self,
        topic: str,
        payload: Payload = None,
        *,
        timeout: float | None = None,
        reply: type[T] | None = None,
    ) -> T | dict[str, Any]:
        """Ask, and wait for the answer: a dict, or a `reply`; errors as Client.rpc."""
        link = self._connected()
        outcomes: deque[Outcome] = deque()
        seconds = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + seconds
        matchtag, frames = self._calls.open(topic, payload, outcomes.append)
        try:
            link.send(frames)
            while not outcomes:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    raise RpcTimeoutError(topic, seconds)
                self._turn(link, remaining)
        finally:
            self._calls.close(matchtag)
        return value(checked(outcomes[0]), reply)

    def stream(self, topic: str, payload: Payload = None) -> Generator[dict[str, Any], None, None]:
        """Ask for a stream, and yield its answers until it ends; otherwise as Client.stream."""
        link = self._connected()
        outcomes: deque[Outcome] = deque()
        matchtag, frames = self._calls.open(topic, payload, outcomes.append, streaming=True)
        try:
            link.send(frames)
            while True:
                while not outcomes:
                    self._turn(link, math.inf)
                if is_end(outcome := outcomes.popleft()):
                    return
                yield value(checked(outcome), None)
        finally:
            if self._calls.close(matchtag):
                link.send(cancel(topic, matchtag))

    def subscribe(self, *topics: str) -> "BlockingSubscription":
        """Events whose topic starts with one of `topics` (none: all), as a context manager."""
        return BlockingSubscription(self.endpoints, topics, self.timeout)

    def close(self) -> None:
        """Say goodbye, so that the daemon drops this client's streams and waits. Idempotent."""
        self._closed = True
        if self._link is not None:
            self._lost(ConnectionLostError("the client was closed"))

    def _connected(self) -> Link:
        if self._closed:
            raise RuntimeError("the client is closed")
        if self._link is not None and self._link.look():
            self._turn(self._link, 0)
        if self._link is None:
            self._link = connect(self.endpoints)
        return self._link

    def _turn(self, link: Link, timeout: float) -> None:
        if not link.turn(self._calls.receive, timeout):
            self._lost(link.error)

    def _lost(self, error: ConnectionLostError) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None
        self._calls.fail(error)


class BlockingSubscription:
    """Events as they are published; see Subscription for readiness, order and errors."""

    def __init__(self, endpoints: Endpoints, topics: Sequence[str], timeout: float) -> None:
        self._endpoints = endpoints
        self._timeout = timeout
        self._feed = Feed(topics)
        self._outcomes: deque[Event | PayloadError] = deque()

    def __enter__(self) -> Self:
        self._link = subscribe(self._endpoints, self._feed)
        try:
            self._await_ready()
        except BaseException:
            self._link.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._link.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        """Wait for the next event, as long as it takes."""
        while not self._outcomes:
            if not self._link.turn(self._receive, math.inf) and not self._outcomes:
                raise self._link.error
        outcome = self._outcomes.popleft()
        if isinstance(outcome, PayloadError):
            raise outcome
        return outcome

    def _await_ready(self) -> None:
        deadline = time.monotonic() + self._timeout
        while not self._feed.settled:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise RpcTimeoutError("subscription", self._timeout)
            if not self._link.turn(self._receive, remaining):
                raise self._link.error

    def _receive(self, frames: Sequence[bytes]) -> None:
        try:
            event = self._feed.receive(frames)
        except PayloadError as error:
            self._outcomes.append(error)
            return
        if event is not None:
            self._outcomes.append(event)
