"""The asyncio client: many RPCs at once, streams and subscriptions."""

import asyncio
import math
from collections.abc import AsyncGenerator, Coroutine
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from jobmgrd.client.calls import Calls, Outcome, Payload, cancel, checked, is_end, value
from jobmgrd.client.errors import ConnectionLostError, RpcTimeoutError
from jobmgrd.client.link import Pump, connect
from jobmgrd.client.subscription import Subscription
from jobmgrd.client.uri import find

T = TypeVar("T")


class Client:
    """A connection to a daemon, for one event loop.

    Any number of RPCs and streams may be under way; they share one socket. When the daemon goes
    away they raise ConnectionLostError, and the next one connects anew.

    Args:
        uri: where the daemon is (see jobmgrd.client.uri).
        timeout: seconds that an RPC may take unless it says otherwise; math.inf is for ever.
        key, server_key: files of keys, for a daemon over tcp.

    Raises:
        UriError, KeyFileError: the URI is wrong, or a key.
        NoDaemonError: on entering, and from any RPC: no daemon answers.
    """

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
        self._pump: Pump | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        self._connected()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @overload
    def rpc(
        self, topic: str, payload: Payload = None, *, timeout: float | None = None
    ) -> Coroutine[Any, Any, dict[str, Any]]: ...
    @overload
    def rpc(
        self, topic: str, payload: Payload = None, *, timeout: float | None = None, reply: type[T]
    ) -> Coroutine[Any, Any, T]: ...
    async def rpc(
        self,
        topic: str,
        payload: Payload = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - a timer costs a tenth of a timeout scope
        reply: type[T] | None = None,
    ) -> T | dict[str, Any]:
        """Ask, and wait for the answer: a dict, or a `reply`.

        Raises:
            RpcError: the daemon refused; errnum and text say why.
            RpcTimeoutError: no answer within `timeout` seconds.
            NoDaemonError, ConnectionLostError: there is no daemon, or it went away.
            NotAdmittedError: it does not let us in.
            PayloadError: the answer is not a `reply`.
        """
        pump = self._connected()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()
        matchtag, frames = self._calls.open(topic, payload, partial(_settle, future))
        seconds = self.timeout if timeout is None else timeout
        timer = None
        if seconds != math.inf:
            timer = loop.call_later(seconds, _expire, future, topic, seconds)
        try:
            pump.send(frames)
            outcome = await future
        finally:
            self._calls.close(matchtag)
            if timer is not None:
                timer.cancel()
        return value(checked(outcome), reply)

    async def stream(
        self, topic: str, payload: Payload = None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Ask for a stream, and yield its answers until it ends.

        The request goes out with the first step of the iteration. Leaving early tells the
        service, by its own cancel request; to leave at a definite point, iterate within
        contextlib.aclosing. Answers wait in memory, as many as come: a daemon cannot be slowed
        down from here.

        Raises:
            RpcError: the stream ended with an error.
            NoDaemonError, ConnectionLostError: there is no daemon, or it went away.
        """
        pump = self._connected()
        outcomes: asyncio.Queue[Outcome] = asyncio.Queue()
        matchtag, frames = self._calls.open(topic, payload, outcomes.put_nowait, streaming=True)
        try:
            pump.send(frames)
            while not is_end(outcome := await outcomes.get()):
                yield value(checked(outcome), None)
        finally:
            if self._calls.close(matchtag):
                pump.send(cancel(topic, matchtag))

    def subscribe(self, *topics: str) -> Subscription:
        """Events whose topic starts with one of `topics` (none: all), as a context manager."""
        return Subscription(self.endpoints, topics, self.timeout)

    async def close(self) -> None:
        """Say goodbye, so that the daemon drops this client's streams and waits. Idempotent."""
        self._closed = True
        if self._pump is not None:
            self._pump.close()
            self._lost(ConnectionLostError("the client was closed"))

    def _connected(self) -> Pump:
        if self._closed:
            raise RuntimeError("the client is closed")
        if self._pump is None:
            self._pump = connect(self.endpoints).pump(self._calls.receive, self._lost)
        return self._pump

    def _lost(self, error: ConnectionLostError) -> None:
        self._pump = None
        self._calls.fail(error)


def _settle(future: "asyncio.Future[Outcome]", outcome: Outcome) -> None:
    if not future.done():
        future.set_result(outcome)


def _expire(future: "asyncio.Future[Outcome]", topic: str, seconds: float) -> None:
    if not future.done():
        future.set_exception(RpcTimeoutError(topic, seconds))
