"""The ROUTER socket: requests in, responses out. fair_drain.py explains how it is read."""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias, TypeVar

import structlog
import zmq
from msgspec import Struct

from jobmgrd import multipart
from jobmgrd.call import Gone, PeerGoneError, refusal
from jobmgrd.limits import Guard
from jobmgrd.publisher import Published
from jobmgrd.transport.fair_drain import FairDrain
from jobmgrd.transport.unread import Unread
from jobmgrd.turns import Turns
from protocol.errors import MessageError, RpcError
from protocol.message import FLAG_STREAMING, Cred, Request, Response, decode
from protocol.payload import Format

log = structlog.get_logger()

SEND_HWM: Final = 100_000
"""Responses that may wait for one peer; a peer that lets more pile up is given up."""

LARGE: Final = 8192
"""Bytes of a payload from which on it is counted among those that wait for a peer."""
OVERSIZE: Final = 2
"""A message of more than so many times the limit is not even read: its peer is hung up on."""
READERS_MAX: Final = 1024

GIVEN: Final = b"\0"
"""What a routing id begins with that ZeroMQ has given, which it does once."""
GONE_MAX: Final = 1024
"""Vanished peers whose last requests are not handled, since nobody would read the answers."""

T = TypeVar("T")

_Send: TypeAlias = Callable[["zmq.Socket[bytes]", Sequence[bytes]], T]


class ZmqPeer(Struct, frozen=True):
    """A DEALER or REQ on the other side, by the routing id the socket gave it."""

    transport: "ZmqRouter"
    identity: bytes

    @property
    def format(self) -> Format:
        """See Peer."""
        return Format.MSGPACK

    @property
    def sender(self) -> bytes:
        """See Peer."""
        return self.identity

    def send(self, response: Response) -> None:
        """See Peer."""
        self.transport.send(response)

    def send_tracked(self, response: Response) -> Gone:
        """See Peer."""
        return self.transport.send_tracked(response)

    def post(self, event: Published, _format: Format, /) -> None:
        """See Peer."""
        self.transport.post(self.identity, event)


Receive: TypeAlias = Callable[[Request, ZmqPeer], None]


class ZmqRouter:
    """Binds the RPC endpoints and feeds `receive`.

    Peers that reach an ipc endpoint passed the private run directory: they are `cred`.
    """

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        endpoints: Sequence[str],
        receive: Receive,
        *,
        cred: Cred,
        guard: Guard,
        turns: Turns,
        receive_frames: Callable[["zmq.Socket[bytes]"], list[bytes]] = multipart.receive,
    ) -> None:
        self._receive = receive
        self._endpoints = endpoints
        self._cred = cred
        self._guard = guard
        self._max_size = guard.limits.message_size
        self._unread: dict[bytes, Unread] = {}
        self._gone: set[bytes] = set()
        self.malformed = 0
        self.dropped = 0
        self.socket = context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 200)
        self.socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self.socket.setsockopt(zmq.SNDHWM, SEND_HWM)
        self.socket.setsockopt(zmq.MAXMSGSIZE, OVERSIZE * guard.limits.message_size)
        self._drain = FairDrain(self.socket, self._take, receive_frames, turns)

    def open(self) -> None:
        """Bind, and begin to read.

        Raises:
            zmq.ZMQError: an endpoint cannot be bound.
        """
        for endpoint in self._endpoints:
            self.socket.bind(endpoint)
        self._drain.open()

    def close(self) -> None:
        """Stop reading and close the socket."""
        if not self.socket.closed:
            self._drain.close()
            self.socket.close()

    def send(self, response: Response) -> None:
        """Send a response to the peer that its routes name.

        Raises:
            PeerGoneError: it has disconnected, or too much waits for it already.
        """
        if response.payload is not None and len(response.payload) > LARGE:
            self._send_large(response)
        else:
            self._hand_over(multipart.send, response.frames())

    def _send_large(self, response: Response) -> None:
        """Send a response whose bytes are counted until ZeroMQ has let go of them.

        Raises:
            PeerGoneError: it is a value of a stream, and too many bytes wait for the peer. The
                answer to any other request gives way to an error.
        """
        identity, size = response.routes[0], len(response.payload or b"")
        unread = self._unread.get(identity)
        if unread is None:
            self._forget_read()
            unread = self._unread[identity] = Unread()
        if not unread.has_room(size, self._guard.limits.queued_bytes):
            error = self._guard.refuse("queued_bytes")
            if response.flags & FLAG_STREAMING:
                raise PeerGoneError(error.text)
            self._refuse(response, error)
            return
        unread.add(self.send_tracked(response), size)

    def _forget_read(self) -> None:
        """Forget peers that have read everything, once there are many."""
        if len(self._unread) >= READERS_MAX:
            self._unread = {
                identity: unread for identity, unread in self._unread.items() if unread.settle()
            }

    def _is_full(self, identity: bytes) -> bool:
        """Whether a peer was refused an answer, and has not read half of what waits since."""
        unread = self._unread.get(identity)
        return unread is not None and unread.is_full(self._guard.limits.queued_bytes)

    def post(self, identity: bytes, event: Published) -> None:
        """Send an event to a peer that subscribed to it by event.subscribe.

        Raises:
            PeerGoneError: as `send`.
        """
        self._hand_over(multipart.send, [identity, *event.frames])

    def send_tracked(self, response: Response) -> Gone:
        """Send a large response; the answer tells whether ZeroMQ still holds it.

        Raises:
            PeerGoneError: as `send`.
        """
        tracker = self._hand_over(multipart.send_tracked, response.frames())
        return lambda: bool(tracker.done)

    def _hand_over(self, send: _Send[T], frames: Sequence[bytes]) -> T:
        self._drain.sending()
        try:
            return send(self.socket, frames)
        except zmq.ZMQError as error:
            self.dropped += 1
            if error.errno == zmq.EHOSTUNREACH and frames[0].startswith(GIVEN):
                self._note_gone(frames[0])
            raise PeerGoneError(str(error)) from error

    def _note_gone(self, identity: bytes) -> None:
        if len(self._gone) >= GONE_MAX:
            self._gone.clear()
        self._gone.add(identity)

    def _take(self, frames: list[bytes]) -> None:
        if frames[0] in self._gone:
            return
        try:
            message = decode(frames, self._cred)
            if not isinstance(message, Request):
                raise MessageError(f"not a request: {message}")
        except MessageError as error:
            self.malformed += 1
            log.warning("message.malformed", peer=frames[0].hex(), reason=str(error))
            return
        if (exceeded := self._exceeded(message)) is not None:
            self._refuse(message, self._guard.refuse(exceeded))
            return
        self._receive(message, ZmqPeer(self, frames[0]))

    def _exceeded(self, request: Request) -> str | None:
        """The limit that keeps a request from being looked at, if one does."""
        if request.payload is not None and len(request.payload) > self._max_size:
            return "message_size"
        if self._unread and not request.noresponse and self._is_full(request.routes[0]):
            return "queued_bytes"
        return None

    def _refuse(self, to: Request | Response, error: RpcError) -> None:
        """Answer with an error what the router did not get to see, or in place of an answer."""
        if isinstance(to, Request) and to.noresponse:
            return
        try:
            self._hand_over(multipart.send, refusal(to, error).frames())
        except PeerGoneError:
            log.debug("peer.gone", topic=to.topic)
