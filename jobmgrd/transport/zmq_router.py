"""The ROUTER socket: requests in, responses out. jobmgrd/drain.py explains how it is read."""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias, TypeVar

import structlog
import zmq
from msgspec import Struct

from jobmgrd import multipart
from jobmgrd.call import Gone, PeerGoneError
from jobmgrd.drain import Drain
from jobmgrd.publisher import Published
from protocol.errors import MessageError
from protocol.message import Cred, Request, Response, decode
from protocol.payload import Format

log = structlog.get_logger()

SEND_HWM: Final = 100_000
"""Responses that may wait for one peer; a peer that lets more pile up is given up."""

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

    def send(self, response: Response) -> None:
        """See Peer."""
        self.transport.send(response)

    def send_tracked(self, response: Response) -> Gone:
        """See Peer."""
        return self.transport.send_tracked(response)

    def post(self, event: Published) -> None:
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
        max_message_size: int,
        receive_frames: Callable[["zmq.Socket[bytes]"], list[bytes]] = multipart.receive,
    ) -> None:
        self._receive = receive
        self._endpoints = endpoints
        self._cred = cred
        self.malformed = 0
        self.dropped = 0
        self.socket = context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 200)
        self.socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self.socket.setsockopt(zmq.SNDHWM, SEND_HWM)
        self.socket.setsockopt(zmq.MAXMSGSIZE, max_message_size)
        self._drain = Drain(self.socket, self._take, receive=receive_frames)

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
        self._hand_over(multipart.send, response.frames())

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
        try:
            return send(self.socket, frames)
        except zmq.ZMQError as error:
            self.dropped += 1
            raise PeerGoneError(str(error)) from error
        finally:
            self._drain.soon()

    def _take(self, frames: list[bytes]) -> None:
        try:
            message = decode(frames, self._cred)
            if not isinstance(message, Request):
                raise MessageError(f"not a request: {message}")
        except MessageError as error:
            self.malformed += 1
            log.warning("message.malformed", peer=frames[0].hex(), reason=str(error))
            return
        self._receive(message, ZmqPeer(self, frames[0]))
