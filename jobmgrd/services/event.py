"""event.publish: clients' own events, sent to all subscribers."""

import errno
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable
from typing import Protocol

from jobmgrd.call import Call
from jobmgrd.router import OWNER, Route
from protocol.errors import RpcError
from protocol.events import HEARTBEAT, JOB_STATE, PURGE, READY, PublishReply, PublishRequest
from protocol.message import Cred


class Publish(Protocol):
    """Publishes an event, as the daemon if no other credentials are given; its sequence."""

    def __call__(self, topic: str, payload: bytes | None, cred: Cred | None = None, /) -> int:
        """Never blocks."""


class EventService:
    """Topics that the daemon itself publishes are not for clients."""

    RESERVED = (HEARTBEAT, PURGE, JOB_STATE)

    def __init__(self, publish: Publish) -> None:
        self._publish = publish

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [Route("event.publish", PublishRequest, self.publish, role=OWNER)]

    def publish(self, call: Call, request: PublishRequest) -> PublishReply:
        """Publish an event with the caller's credentials."""
        if not request.topic or "\0" in request.topic:
            raise RpcError(errno.EPROTO, "event topic is empty or holds a NUL")
        if request.topic in self.RESERVED or request.topic.startswith(READY):
            raise RpcError(errno.EPERM, f"{request.topic} is published by jobmgrd alone")
        try:
            body = b64decode(request.payload, validate=True) if request.payload else None
        except (Base64Error, ValueError) as error:
            raise RpcError(errno.EPROTO, f"event payload is not base64: {error}") from error
        return PublishReply(self._publish(request.topic, body, call.cred))
