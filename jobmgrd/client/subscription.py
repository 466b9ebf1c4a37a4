"""An asyncio subscription: events as they are published, from the moment it is entered."""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from jobmgrd.client.errors import ConnectionLostError, RpcTimeoutError
from jobmgrd.client.events import Event, Feed
from jobmgrd.client.link import subscribe
from jobmgrd.client.uri import Endpoints
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

    def __init__(self, endpoints: Endpoints, topics: Sequence[str], timeout: float) -> None:
        self._endpoints = endpoints
        self._timeout = timeout
        self._feed = Feed(topics)
        self._outcomes: asyncio.Queue[Event | PayloadError | ConnectionLostError] = asyncio.Queue()
        self._settled = asyncio.Event()

    async def __aenter__(self) -> Self:
        link = subscribe(self._endpoints, self._feed)
        self._pump = link.pump(self._receive, self._lost)
        try:
            async with asyncio.timeout(self._timeout):
                await self._settled.wait()
        except TimeoutError:
            raise RpcTimeoutError("subscription", self._timeout) from None
        finally:
            if not self._feed.ready:
                self._pump.close()
        if not self._feed.settled:
            raise link.error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pump.close()
        self._lost(ConnectionLostError("the subscription was closed"))

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
        elif self._feed.ready or self._feed.refusal:
            self._settled.set()

    def _lost(self, error: ConnectionLostError) -> None:
        self._outcomes.put_nowait(error)
        self._settled.set()
