"""An asyncio subscription: events as they are published, from the moment it is entered."""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import zmq

from jobmgrd.client.errors import LOST, ConnectionLostError, RpcTimeoutError
from jobmgrd.client.events import Event, Feed
from jobmgrd.client.link import Link
from jobmgrd.client.pump import Pump
from protocol.errors import PayloadError


class Subscription:
    """Events whose topic starts with one of `topics`; none means all events.

    Entering it returns once the subscription is in effect: what is published after is received.
    Iteration ends only by an error. Events wait in memory, as many as come, until they are read.

    Raises:
        NoDaemonError, RpcTimeoutError: on entering.
        ConnectionLostError: on iterating, after the last event that arrived.
        PayloadError: on iterating, for an event that does not decode; the next one follows.
    """

    def __init__(self, endpoint: str, topics: Sequence[str], timeout: float) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._feed = Feed(topics)
        self._outcomes: asyncio.Queue[Event | PayloadError | ConnectionLostError] = asyncio.Queue()
        self._settled = asyncio.Event()

    async def __aenter__(self) -> Self:
        link = Link(zmq.SUB, self._endpoint)
        self._pump = Pump(link, self._receive, self._lost)
        link.subscribe(self._feed.prefixes)
        try:
            async with asyncio.timeout(self._timeout):
                await self._settled.wait()
        except TimeoutError:
            raise RpcTimeoutError("subscription", self._timeout) from None
        finally:
            if not self._feed.ready:
                self._pump.close()
        if not self._feed.ready:
            raise ConnectionLostError(LOST)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pump.close()
        self._lost("the subscription was closed")

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        outcome = await self._outcomes.get()
        if isinstance(outcome, ConnectionLostError):
            self._outcomes.put_nowait(outcome)  # there will be nothing else, ever
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _receive(self, frames: Sequence[bytes]) -> None:
        try:
            event = self._feed.receive(frames)
        except PayloadError as error:
            self._outcomes.put_nowait(error)
            return
        if event is not None:
            self._outcomes.put_nowait(event)
        elif self._feed.ready:
            self._settled.set()

    def _lost(self, reason: str = LOST) -> None:
        self._outcomes.put_nowait(ConnectionLostError(reason))
        self._settled.set()
