"""The tcp:// endpoints: a ROUTER and an XPUB of their own that speak CURVE.

Theory: revoking. ZeroMQ asks once, at the handshake, whether a key is let in, and never again. So
the key of a peer, which is its connection's User-Id, is looked up at every message that comes and
at every one that goes: a request of a revoked key is answered EPERM, its streams end with it, and
nothing else is sent to it. An XPUB cannot tell its subscribers apart. When a key is revoked that
may hear events, its socket is made anew: those who still may reconnect at once, by themselves, and
see by the sequence of the next event whether they missed one.

Only the owner has events here, where private ones could not be kept from others: event.subscribe
gives everybody those that they may hear.
"""

import asyncio
import errno
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import structlog
import zmq

from jobmgrd import multipart
from jobmgrd.call import Gone, PeerGoneError
from jobmgrd.curve import KeyPair
from jobmgrd.limits import Guard
from jobmgrd.publisher import Published
from jobmgrd.transport.handshakes import Handshakes
from jobmgrd.transport.refusals import Refusals
from jobmgrd.transport.zap import Zap
from jobmgrd.transport.zmq_pub import ZmqPub
from jobmgrd.transport.zmq_router import Receive, ZmqPeer, ZmqRouter
from jobmgrd.turns import Turns
from protocol.errors import MessageError, RpcError
from protocol.message import UNKNOWN, Cred, Request, Response, decode
from protocol.payload import Format

log = structlog.get_logger()

RPC: Final = "rpc"
EVENTS: Final = "events"
HANDSHAKE: Final = 10_000
"""Milliseconds that a peer has to prove who it is."""
HEARTBEAT: Final = 30_000
"""Milliseconds after which a silent peer is asked whether it is still there."""
REBIND: Final = 0.02
"""Seconds between two attempts to take an endpoint that a socket is just giving back."""
REBIND_MAX: Final = 250

REVOKED: Final = RpcError(errno.EPERM, "the key of this connection was revoked")
CHOSEN: Final = RpcError(errno.EPERM, "a client must not choose its routing id")
"""It could be that of another client, whose answers are under way."""

Expel = Callable[[Callable[[object], bool], RpcError], None]
"""Ends the streams and subscriptions of the peers that a function picks, with an error."""


class CurvePeer(ZmqPeer, frozen=True):
    """A peer that proved to hold a key."""

    key: str

    @property
    def admitted(self) -> bool:
        """Whether its key still lets it in."""
        transport = self.transport
        return isinstance(transport, CurveRouter) and self.key in transport.creds

    def send(self, response: Response) -> None:
        """See Peer."""
        self._check()
        super().send(response)

    def send_tracked(self, response: Response) -> Gone:
        """See Peer."""
        self._check()
        return super().send_tracked(response)

    def post(self, event: Published, format: Format, /) -> None:
        """See Peer."""
        self._check()
        super().post(event, format)

    def _check(self) -> None:
        if not self.admitted:
            raise PeerGoneError("its key was revoked")


class CurveRouter(ZmqRouter):
    """The ROUTER: a message's sender is whoever its connection's key says."""

    creds: Mapping[str, Cred] = {}
    """Who the holders of the admitted keys are."""

    def _take(self, frames: list[bytes]) -> None:
        key = frames.pop(0).decode()
        cred = self.creds.get(key)
        try:
            message = decode(frames, UNKNOWN if cred is None else cred)
            if not isinstance(message, Request):
                raise MessageError(f"not a request: {message}")
        except MessageError as error:
            self.malformed += 1
            log.warning("message.malformed", key=key, reason=str(error))
            return
        if cred is None:
            self._refuse(message, REVOKED)
        elif frames[0][:1] != b"\0":
            self._refuse(message, CHOSEN)
        elif (exceeded := self._exceeded(message)) is not None:
            self._refuse(message, self._guard.refuse(exceeded))
        else:
            self._receive(message, CurvePeer(self, frames[0], key))


class CurveTransport:
    """Both sockets, and who is let in. Until `configure`, nobody is."""

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        rpc: Sequence[str],
        events: Sequence[str],
        own: KeyPair,
        receive: Receive,
        expel: Expel,
        *,
        cred: Cred,
        guard: Guard,
        turns: Turns,
        monotonic: Callable[[], float],
    ) -> None:
        self._context = context
        self._events = events
        self._own = own
        self._expel = expel
        self._cred = cred
        self._rebind: asyncio.TimerHandle | None = None
        self._attempts = 0
        self._zap = Zap(context, self._admit, Refusals("keys", guard, monotonic))
        self._failures = Refusals("handshakes", guard, monotonic)
        self._rpc = CurveRouter(
            context,
            rpc,
            receive,
            cred=cred,
            guard=guard,
            turns=turns,
            receive_frames=multipart.receive_known,
        )
        self._rpc_handshakes = self._secure(self._rpc.socket, RPC)
        self._make_pub()

    def open(self) -> None:
        """Bind, and begin to serve.

        Raises:
            zmq.ZMQError: an endpoint cannot be bound.
        """
        self._zap.open()
        self._rpc_handshakes.open()
        self._rpc.open()
        self._pub_handshakes.open()
        self._pub.open()

    def close(self) -> None:
        """Stop serving."""
        if self._rebind is not None:
            self._rebind.cancel()
        self._pub_handshakes.close()
        self._pub.close()
        self._rpc_handshakes.close()
        self._rpc.close()
        self._zap.close()

    def deliver(self, event: Published) -> None:
        """See Way."""
        self._pub.deliver(event)

    def configure(self, creds: Mapping[str, Cred]) -> None:
        """Let these keys in from now on; others, and keys whose holder changed, are let go."""
        before = self._rpc.creds
        gone = {key for key, cred in before.items() if creds.get(key) != cred}
        if gone:
            log.info("curve.revoked", keys=sorted(gone))
            self._expel(lambda peer: isinstance(peer, CurvePeer) and peer.key in gone, REVOKED)
        self._rpc.creds = creds
        if self._events and any(before[key].is_owner for key in gone):
            self._renew_pub()

    def _admit(self, domain: str, key: str) -> bool:
        cred = self._rpc.creds.get(key)
        return cred is not None and (domain == RPC or cred.is_owner)

    def _make_pub(self) -> None:
        self._pub = ZmqPub(self._context, self._events, self._cred)
        self._pub_handshakes = self._secure(self._pub.socket, EVENTS)

    def _renew_pub(self) -> None:
        if self._rebind is not None:
            return  # it is on its way, and lets nobody in who may not hear
        sequence = self._pub.sequence
        self._pub_handshakes.close()
        self._pub.close(linger=0)
        self._make_pub()
        self._pub_handshakes.open()
        self._pub.sequence = sequence
        self._attempts = 0
        self._open_pub()

    def _open_pub(self) -> None:
        """Bind the new socket, once ZeroMQ's own thread has closed the old one."""
        self._rebind = None
        try:
            self._pub.open()
        except zmq.ZMQError as error:
            self._attempts += 1
            if self._attempts == REBIND_MAX:
                log.error("curve.events-lost", reason=str(error))
            else:
                loop = asyncio.get_running_loop()
                self._rebind = loop.call_later(REBIND, self._open_pub)

    def _secure(self, socket: "zmq.Socket[bytes]", domain: str) -> Handshakes:
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        socket.setsockopt(zmq.CURVE_PUBLICKEY, self._own.public)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self._own.secret)
        socket.setsockopt(zmq.ZAP_DOMAIN, domain.encode())
        socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE)
        socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT)
        return Handshakes(self._context, socket, partial(self._failed, domain))

    def _failed(self, domain: str, address: str, reason: str) -> None:
        self._failures.note(domain, address, reason=reason)
