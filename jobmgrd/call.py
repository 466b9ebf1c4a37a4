"""A request under way, as its handler sees it: who asks, and the one way to answer.

A Call is answered exactly once; a Stream takes any number of values, then one end.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final, Protocol, TypeAlias

from msgspec import Struct

from jobmgrd.publisher import Published
from protocol import payload
from protocol.errors import ENODATA, RpcError
from protocol.message import FLAG_STREAMING, Cred, Request, Response

SMALL: Final = 1024
"""Bytes of a request that are not counted: it is held to the number of requests."""

Value: TypeAlias = Struct | Mapping[str, Any] | None
Gone: TypeAlias = Callable[[], bool]
"""Whether a response has left the daemon's memory: its peer took it, or is no more."""


class Empty(Struct, frozen=True):
    """A request or a reply without keys; keys that are sent are ignored."""


class PeerGoneError(ConnectionError):
    """The peer has vanished, or reads so slowly that what waits for it passed its bound."""


PEER_GONE: Final = PeerGoneError("it has disconnected")
"""How what a peer waited for ends when it has vanished: nothing is answered."""


class Peer(Protocol):
    """One sender of requests, as its transport knows it; hashable."""

    @property
    def format(self) -> payload.Format:
        """What a response is encoded in if its request had no payload."""

    @property
    def sender(self) -> Hashable:
        """What jobmgrd.turns knows it as."""

    def send(self, response: Response) -> None:
        """Hand a response over to the peer. Raises PeerGoneError."""

    def send_tracked(self, response: Response) -> Gone:
        """The same for a large response, whose way out can be followed."""

    def post(self, event: Published, format: payload.Format, /) -> None:
        """Hand an event over to the peer that subscribed in this format. Raises PeerGoneError."""


def refusal(to: Request | Response, error: RpcError) -> Response:
    """The answer to a request that is not even looked at, or that takes the place of another."""
    text = error.text.encode() + b"\0"
    return Response(to.topic, text, error.errnum, matchtag=to.matchtag, routes=to.routes)


class Outlet(Protocol):
    """What a call needs of the router: the ways out, and to be forgotten."""

    def send(self, peer: Peer, response: Response) -> None:
        """Send a response; a peer that has gone loses its streams."""

    def send_tracked(self, peer: Peer, response: Response) -> Gone:
        """The same for a large response, whose way out can be followed."""

    def forget(self, stream: "Stream") -> None:
        """Drop an ended stream."""


class Meter(Protocol):
    """Who counts the answers to requests of a topic."""

    def answered(self, began: float, errnum: int) -> None:
        """Count one; `began` is when its request came, by time.perf_counter."""


class Call:
    """One request under way. It is answered exactly once."""

    __slots__ = ("_answered", "_outlet", "_request", "began", "format", "meter", "peer", "weight")

    def __init__(self, outlet: "Outlet", request: Request, peer: Peer) -> None:
        self._outlet = outlet
        self._request = request
        self._answered = request.noresponse
        self.meter: Meter | None = None
        self.began = 0.0  # for the meter
        self.peer = peer
        body = request.payload
        self.format = payload.format_of(body) if body else peer.format
        self.weight = len(body) if body and len(body) > SMALL else 0
        """Bytes that it holds while it is under way."""

    @property
    def topic(self) -> str:
        """The request's topic."""
        return self._request.topic

    @property
    def cred(self) -> Cred:
        """Who asks."""
        return self._request.cred

    @property
    def matchtag(self) -> int:
        """The sender's name for this request."""
        return self._request.matchtag

    def respond(self, value: Value) -> None:
        """Answer with a value."""
        self._answer(0, None if value is None else payload.encode(value, self.format))

    def fail(self, error: RpcError) -> None:
        """Answer with an error."""
        self._answer(error.errnum, error.text.encode() + b"\0" if error.text else None)

    def ignore(self) -> None:
        """Answer nothing, now and later: the request's sender does not wait."""
        self._answered = True

    def _answer(self, errnum: int, body: bytes | None) -> None:
        if not self._answered:
            self._answered = True
            if self.meter is not None:
                self.meter.answered(self.began, errnum)
            self._send(errnum, body)

    def _send(self, errnum: int, body: bytes | None) -> None:
        self._outlet.send(self.peer, self._response(errnum, body))

    def _response(self, errnum: int, body: bytes | None) -> Response:
        request = self._request
        return Response(
            topic=request.topic,
            payload=body,
            errnum=errnum,
            cred=request.cred,
            matchtag=request.matchtag,
            flags=request.flags & FLAG_STREAMING,
            routes=request.routes,
        )


class Stream(Call):
    """A streaming request under way: any number of values, then one end."""

    __slots__ = ("on_close",)

    def __init__(self, outlet: "Outlet", request: Request, peer: Peer) -> None:
        super().__init__(outlet, request, peer)
        self.on_close: Callable[[], None] | None = None

    @property
    def open(self) -> bool:
        """Whether the peer still listens."""
        return not self._answered

    def send(self, value: Value) -> None:
        """Send one value; nothing once the stream has ended."""
        if not self._answered:
            self._send(0, None if value is None else payload.encode(value, self.format))

    def send_encoded(self, body: bytes) -> None:
        """Send a value that is already encoded in the stream's format."""
        if not self._answered:
            self._send(0, body)

    def send_tracked(self, body: bytes) -> Gone:
        """Send a large value, already encoded; whether it has gone. See jobmgrd.flow."""
        if self._answered:
            return lambda: True
        return self._outlet.send_tracked(self.peer, self._response(0, body))

    def end(self) -> None:
        """End the stream regularly."""
        self.fail(RpcError(ENODATA))

    def fail(self, error: RpcError) -> None:
        """End the stream with an error."""
        super().fail(error)
        self._outlet.forget(self)

    def abandon(self) -> None:
        """End the stream without a word: its peer has gone."""
        self._answered = True
        self._outlet.forget(self)
