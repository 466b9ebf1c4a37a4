"""The router: topic -> handler, roles, streams, and the one place that answers errors.

    transport --Request, Peer--> dispatch --Call, typed request--> handler
    transport <--Response------- Call.respond / Stream.send <-- value, RpcError or awaitable

A handler is called inline, on the event loop, without a task of its own (7 us saved a request).
It returns the reply, or raises RpcError, or returns an awaitable of the reply: a future costs a
callback, a coroutine a task. A streaming handler is given a Stream and answers by it.
"""

import asyncio
import errno
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, Final, Protocol, TypeAlias, cast

import structlog
from msgspec import Struct

from jobmgrd.call import Call, Empty, Gone, Peer, PeerGoneError, Stream, Value
from jobmgrd.lanes import Lanes
from jobmgrd.limits import Guard
from jobmgrd.routes import PRIVILEGED, Route, Scope, Service, StreamHandler, TellingError
from jobmgrd.turns import Turns
from protocol import payload
from protocol.errors import PayloadError, RpcError
from protocol.message import Cred, Request, Response

log = structlog.get_logger()

DISCONNECT: Final = "disconnect"

Spawn: TypeAlias = Callable[[Coroutine[Any, Any, None]], object]


def _body(request: Request, route: Route) -> object:
    if route.request is bytes:
        return request.payload or b""
    return payload.decode_as(request.payload, route.request)


class Meters(Protocol):
    """Who counts requests by topic."""

    def begin(self, call: Call, *, streaming: bool) -> None:
        """Count a request, and have its answer counted."""


class Router:
    """The table, the streams under way, and dispatch."""

    def __init__(self, spawn: Spawn, guard: Guard | None = None) -> None:
        self._spawn = spawn
        self.guard = Guard() if guard is None else guard
        self.turns = Turns()
        self.lanes = Lanes(self.turns)
        self._routes: dict[str, Route] = {}
        self._roles: dict[str, int] = {}  # of the routes, in the mode that holds
        self._private = False
        self._streams: dict[Peer, dict[int, Stream]] = {}
        self._waiting: dict[Peer, int] = {}  # requests that are answered later
        self._held: dict[Peer, int] = {}  # bytes of theirs, and of streams
        self._releases: list[Callable[[Peer], None]] = []
        self._expels: list[Callable[[Callable[[object], bool]], None]] = []
        self.resolvers: list[Callable[[str, Cred], Route | None]] = []
        """Asked in turn for the route of a topic that is not in the table, for who asks."""
        self.conceal: Callable[[], Awaitable[object]] | None = None
        """Takes as long as to find out that there is no such job."""
        self.requests = 0
        self.errors = 0
        self.meters: Meters | None = None
        self.add(self)

    @property
    def table(self) -> Mapping[str, Route]:
        """Every topic served, in the order of registration."""
        return self._routes

    def add(self, service: Service) -> None:
        """Register a service's topics."""
        for route in service.routes():
            if route.topic in self._routes:
                raise ValueError(f"topic {route.topic} is registered twice")
            self._routes[route.topic] = route
            self._roles[route.topic] = self._role(route)

    def configure(self, *, private_mode: bool) -> None:
        """Take over `[access] private-mode`; it holds from the next request on."""
        self._private = private_mode
        self._roles = {topic: self._role(route) for topic, route in self._routes.items()}
        for stream in [s for streams in self._streams.values() for s in streams.values()]:
            if not stream.cred.rolemask & self._roles[stream.topic]:
                stream.fail(self._forbidden(self._routes[stream.topic]))

    def _role(self, route: Route) -> int:
        return route.private_role if self._private else route.role

    def sees_all(self, cred: Cred) -> bool:
        """Whether the jobs of others may be shown to a user."""
        return not self._private or bool(cred.rolemask & PRIVILEGED)

    def routes(self) -> Iterable[Route]:
        """The router's own topic: a client says that it leaves."""
        return [Route(DISCONNECT, Empty, self._disconnect_request)]

    def dispatch(self, request: Request, peer: Peer) -> None:
        """Have one request handled; never raises."""
        self.requests += 1
        route = self._routes.get(request.topic)
        call = Stream(self, request, peer) if request.streaming else Call(self, request, peer)
        if self.meters is not None:
            self.meters.begin(call, streaming=request.streaming)
        try:
            if route is None:
                route = self._resolve(request)
                role = self._role(route)
            else:
                role = self._roles[request.topic]
            if not request.cred.rolemask & role:
                raise self._forbidden(route)
            if call.weight:
                self._check_room(call)
            streaming = request.streaming if route.streaming is None else route.streaming
            if streaming:
                self._dispatch_stream(route, request, call)
                return
            if request.streaming:
                raise RpcError(errno.EPROTO, f"{request.topic} is not a streaming RPC")
            full = self._waiting.get(peer, 0) >= self.guard.limits.requests
            if full and route.topic != DISCONNECT:
                raise self.guard.refuse("requests")
            result = route.handler(call, _body(request, route))  # type: ignore[arg-type]
            if result is None or isinstance(result, Struct | Mapping):
                call.respond(result)
            else:
                self._answer_later(call, result)
        except Exception as error:  # noqa: BLE001 - the one place that answers them
            self._refuse_now(call, error)

    def _refuse_now(self, call: Call, error: Exception) -> None:
        """Refuse a request; what is not told in words is not told by a faster answer either."""
        if not isinstance(error, TellingError) or not self.conceal or self.sees_all(call.cred):
            self._refuse(call, error)
        elif isinstance(call, Stream):
            self._spawn(self._run_stream(call, _after(self.conceal, error)))
        else:
            self._answer_later(call, _after(self.conceal, error))

    def _dispatch_stream(self, route: Route, request: Request, call: Call) -> None:
        if not isinstance(call, Stream):
            raise RpcError(errno.EPROTO, f"{request.topic} is a streaming RPC")
        streams = self._streams.get(call.peer, {})
        if call.matchtag in streams:
            raise RpcError(errno.EPROTO, f"matchtag {call.matchtag} is in use by another stream")
        if len(streams) >= self.guard.limits.streams:
            raise self.guard.refuse("streams")
        body = _body(request, route)
        streams[call.matchtag] = call
        if call.weight:
            self._hold(call)
        self._streams[call.peer] = streams
        result = cast("StreamHandler", route.handler)(call, body)
        if result is not None:
            self._spawn(self._run_stream(call, result))

    def _check_room(self, call: Call) -> None:
        """Refuse a request that would have its sender hold too much; a single one always may."""
        held = self._held.get(call.peer, 0)
        if held and held + call.weight > self.guard.limits.request_bytes:
            raise self.guard.refuse("request_bytes")

    def _hold(self, call: Call) -> None:
        self._held[call.peer] = self._held.get(call.peer, 0) + call.weight

    def _let_go(self, call: Call) -> None:
        left = self._held.pop(call.peer, 0) - call.weight
        if left > 0:
            self._held[call.peer] = left

    def _answer_later(self, call: Call, result: Awaitable[Value]) -> None:
        self._waiting[call.peer] = self._waiting.get(call.peer, 0) + 1
        if call.weight:
            self._hold(call)
        if isinstance(result, asyncio.Future):
            result.add_done_callback(lambda future: self._answer_future(call, future))
        else:
            self._spawn(self._answer_coroutine(call, cast("Coroutine[Any, Any, Value]", result)))

    def _answer_future(self, call: Call, future: "asyncio.Future[Value]") -> None:
        self._answered(call)
        if future.cancelled():
            call.fail(RpcError(errno.ECANCELED, "the daemon is stopping"))
        elif isinstance(error := future.exception(), PeerGoneError):
            call.ignore()
        elif error is not None:
            self._refuse(call, error)
        else:
            call.respond(future.result())

    async def _answer_coroutine(self, call: Call, result: Coroutine[Any, Any, Value]) -> None:
        try:
            call.respond(await result)
        except asyncio.CancelledError:
            call.fail(RpcError(errno.ECANCELED, "the daemon is stopping"))
            raise
        except PeerGoneError:
            call.ignore()
        except Exception as error:  # noqa: BLE001 - the one place that answers them
            self._refuse(call, error)
        finally:
            self._answered(call)

    def _answered(self, call: Call) -> None:
        """One request of a peer less waits."""
        left = self._waiting.pop(call.peer, 0) - 1
        if left > 0:
            self._waiting[call.peer] = left
        if call.weight:
            self._let_go(call)

    async def _run_stream(self, stream: Stream, result: Coroutine[Any, Any, None]) -> None:
        try:
            await result
        except asyncio.CancelledError:
            stream.fail(RpcError(errno.ECANCELED, "the daemon is stopping"))
            raise
        except PeerGoneError:
            stream.abandon()
        except Exception as error:  # noqa: BLE001 - the one place that answers them
            self._refuse(stream, error)

    def _refuse(self, call: Call, error: BaseException) -> None:
        self.errors += 1
        if isinstance(error, TellingError) and not self.sees_all(call.cred):
            call.fail(error.plain)
        elif isinstance(error, RpcError):
            call.fail(error)
        elif isinstance(error, PayloadError):
            call.fail(RpcError(errno.EPROTO, str(error)))
        elif isinstance(errnum := getattr(error, "errnum", None), int):
            call.fail(RpcError(errnum, str(error)))
        else:
            log.error("rpc.handler-failed", topic=call.topic, exc_info=error)
            call.fail(RpcError(errno.EIO, f"internal error in {call.topic}, see the daemon's log"))

    def _forbidden(self, route: Route) -> RpcError:
        if route.scope is Scope.TOTALS:
            return RpcError(errno.EPERM, f"{route.topic} is not for guests in private mode")
        return RpcError(errno.EPERM, f"{route.topic} requires the instance owner's role")

    def _resolve(self, request: Request) -> Route:
        for resolve in self.resolvers:
            if route := resolve(request.topic, request.cred):
                return route
        raise self._unknown(request.topic)

    def _unknown(self, topic: str) -> RpcError:
        service = topic.partition(".")[0]
        if any(known.startswith(service + ".") for known in self._routes):
            return RpcError(errno.ENOSYS, f"Unknown service method '{topic}'")
        return RpcError(errno.ENOSYS, f"No service matching {topic} is registered")

    def send(self, peer: Peer, response: Response) -> None:
        """Send a response; a peer that has gone loses its streams."""
        try:
            peer.send(response)
        except PeerGoneError as error:
            self._lose(peer, response, error)

    def send_tracked(self, peer: Peer, response: Response) -> Gone:
        """Send a response; a peer that has gone loses its streams."""
        try:
            return peer.send_tracked(response)
        except PeerGoneError as error:
            self._lose(peer, response, error)
            return lambda: True

    def _lose(self, peer: Peer, response: Response, error: PeerGoneError) -> None:
        log.info("peer.gone", topic=response.topic, reason=str(error))
        self.disconnect(peer)

    def stream(self, peer: Peer, matchtag: int) -> Stream | None:
        """The stream that a peer opened with this matchtag, if it is under way."""
        return self._streams.get(peer, {}).get(matchtag)

    def forget(self, stream: Stream) -> None:
        """Drop an ended stream and tell who feeds it."""
        streams = self._streams.get(stream.peer)
        if streams is None or streams.get(stream.matchtag) is not stream:
            return  # it was refused before it began
        del streams[stream.matchtag]
        if stream.weight:
            self._let_go(stream)
        if not streams:
            del self._streams[stream.peer]
        if stream.on_close is not None:
            stream.on_close()

    def disconnect(self, peer: Peer) -> None:
        """Release everything a vanished peer waits for.

        What cannot be released counts as under way until it is answered: who says that it leaves,
        and stays, gains nothing.
        """
        for stream in list(self._streams.get(peer, {}).values()):
            stream.abandon()
        self.lanes.abandon(peer)
        for release in self._releases:
            release(peer)

    def expel(self, which: Callable[[object], bool], error: RpcError) -> None:
        """End the streams of some peers with an error, and what others do for them."""
        for tell in self._expels:
            tell(which)
        for peer in [peer for peer in self._streams if which(peer)]:
            for stream in list(self._streams.get(peer, {}).values()):
                stream.fail(error)

    def on_disconnect(self, release: Callable[[Peer], None]) -> None:
        """Have somebody told of every peer that has vanished, whose futures end as PEER_GONE."""
        self._releases.append(release)

    def on_expel(self, tell: Callable[[Callable[[object], bool]], None]) -> None:
        """Have somebody told which peers may not go on as whom they were."""
        self._expels.append(tell)

    def end_streams(self) -> None:
        """End every stream; the daemon is stopping."""
        for streams in list(self._streams.values()):
            for stream in list(streams.values()):
                stream.fail(RpcError(errno.ECANCELED, "the daemon is stopping"))

    @property
    def streams(self) -> int:
        """The number of streams under way."""
        return sum(len(streams) for streams in self._streams.values())

    def _disconnect_request(self, call: Call, _request: Empty) -> None:
        self.disconnect(call.peer)


async def _after(wait: Callable[[], Awaitable[object]], error: Exception) -> None:
    """Raise an error when something else is done, as one that comes of it."""
    await wait()
    raise error


class CancelRequest(Struct, frozen=True):
    """Which stream to end."""

    matchtag: int


def cancel_route(topic: str, router: Router) -> Route:
    """The route that ends the sender's own stream of `topic`: {matchtag} (RFC 41)."""

    def cancel(call: Call, request: CancelRequest) -> None:
        stream = router.stream(call.peer, request.matchtag)
        if stream is not None and stream.topic == topic:
            stream.end()

    return Route(f"{topic}-cancel", CancelRequest, cancel)
