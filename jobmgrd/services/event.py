"""event: clients' own events, published to all who listen, and who listens on its own connection.

A client of the ROUTER or of the local socket that subscribes has its events sent to it among its
responses; what the PUB socket's subscribers want is between them and ZeroMQ.
"""

import errno
from base64 import b64decode
from binascii import Error as Base64Error
from collections import Counter
from collections.abc import Callable, Iterable

import structlog

from jobmgrd.call import Call, Peer, PeerGoneError
from jobmgrd.publisher import Publish, Published
from jobmgrd.router import Router
from jobmgrd.routes import OWNER, Route
from protocol.errors import RpcError
from protocol.events import (
    HEARTBEAT,
    JOB_STATE,
    PURGE,
    READY,
    PublishReply,
    PublishRequest,
    SubscribeRequest,
)
from protocol.message import FLAG_PRIVATE, TOPIC_MAX, Cred
from protocol.payload import Format

log = structlog.get_logger()


class EventService:
    """Topics that the daemon itself publishes are not for clients."""

    RESERVED = (HEARTBEAT, PURGE, JOB_STATE)

    def __init__(self, publish: Publish, router: Router) -> None:
        self._publish = publish
        self._router = router
        self._listeners: dict[Peer, _Listener] = {}
        router.on_disconnect(self._forget)
        router.on_expel(self._expel)

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("event.publish", PublishRequest, self.publish, role=OWNER),
            Route("event.subscribe", SubscribeRequest, self.subscribe),
            Route("event.unsubscribe", SubscribeRequest, self.unsubscribe),
        ]

    def publish(self, call: Call, request: PublishRequest) -> PublishReply:
        """Publish an event with the caller's credentials."""
        if not request.topic or "\0" in request.topic:
            raise RpcError(errno.EPROTO, "event topic is empty or holds a NUL")
        _check_length(request.topic)
        if request.flags & ~FLAG_PRIVATE:
            raise RpcError(errno.EPROTO, f"unknown event flags: 0x{request.flags:x}")
        if request.topic in self.RESERVED or request.topic.startswith(READY):
            raise RpcError(errno.EPERM, f"{request.topic} is published by jobmgrd alone")
        try:
            body = b64decode(request.payload, validate=True) if request.payload else None
        except (Base64Error, ValueError) as error:
            raise RpcError(errno.EPROTO, f"event payload is not base64: {error}") from error
        return PublishReply(self._publish(request.topic, body, call.cred, flags=request.flags))

    def subscribe(self, call: Call, request: SubscribeRequest) -> None:
        """Have the events whose topic begins with this sent to the caller, from now on."""
        _check_length(request.topic)
        listener = self._listeners.setdefault(call.peer, _Listener(call.cred, call.format))
        guard = self._router.guard
        full = len(listener.topics) >= guard.limits.subscriptions
        if full and request.topic not in listener.topics:
            raise guard.refuse("subscriptions")
        listener.topics[request.topic] += 1

    def unsubscribe(self, call: Call, request: SubscribeRequest) -> None:
        """Take one subscription of the caller back."""
        listener = self._listeners.get(call.peer)
        if listener is None or request.topic not in listener.topics:
            raise RpcError(errno.ENOENT, f"not subscribed to {request.topic!r}")
        listener.topics[request.topic] -= 1
        if not listener.topics[request.topic]:
            del listener.topics[request.topic]
            if not listener.topics:
                del self._listeners[call.peer]

    def deliver(self, event: Published) -> None:
        """See Way."""
        for peer, listener in list(self._listeners.items()):
            if listener.hears(event) and self._shown(event, listener.cred):
                try:
                    peer.post(event, listener.format)
                except PeerGoneError as error:
                    log.info("peer.gone", topic=event.topic, reason=str(error))
                    self._router.disconnect(peer)

    def _shown(self, event: Published, cred: Cred) -> bool:
        """In private mode, guests hear nothing of jobs: these events name those of others, too."""
        return event.topic not in (PURGE, JOB_STATE) or self._router.sees_all(cred)

    def _expel(self, which: Callable[[object], bool]) -> None:
        """Forget what peers may have subscribed to as somebody else."""
        for peer in [peer for peer in self._listeners if which(peer)]:
            del self._listeners[peer]

    def _forget(self, peer: Peer) -> None:
        self._listeners.pop(peer, None)


def _check_length(topic: str) -> None:
    if len(topic) > TOPIC_MAX:
        raise RpcError(errno.EMSGSIZE, f"topic has more than {TOPIC_MAX} characters")


class _Listener:
    """What a peer has subscribed to, how many times each, who it is and what it reads."""

    def __init__(self, cred: Cred, format: Format) -> None:
        self.cred = cred
        self.format = format
        self.topics: Counter[str] = Counter()

    def hears(self, event: Published) -> bool:
        """Whether it wants an event, and may have it: private ones are the sender's and owner's."""
        if not event.topic.startswith(tuple(self.topics)):
            return False
        if not event.flags & FLAG_PRIVATE or self.cred.is_owner:
            return True
        return event.cred.userid == self.cred.userid
