"""Payloads of the events that the daemon publishes, and the RPCs about events."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from protocol.message import FLAG_NORESPONSE, FLAG_PRIVATE, Event, Request
from protocol.payload import encode

HEARTBEAT: Final = "heartbeat.pulse"
PURGE: Final = "job-purge-inactive"
JOB_STATE: Final = "job-state"

READY: Final = "event.ready."
"""Begins the topics by which a subscriber learns that its subscriptions are in effect."""


class PurgeEvent(Struct, frozen=True):
    """job-purge-inactive: one committed batch. `t` is UNIX time.

    `seq` counts within an `epoch`: another one means that the history was replaced, by a backup.
    """

    jobs: Sequence[int]
    seq: int
    t: float
    reason: str
    userid: int
    epoch: str = ""


class JobStateEvent(Struct, frozen=True):
    """job-state: a job has come to a state; `state` is its name, `t` UNIX time."""

    id: int
    state: str
    t: float


class PublishRequest(Struct, frozen=True):
    """event.publish: base64 of the payload's bytes, as flux-core has it."""

    topic: str
    flags: int = 0
    payload: str | None = None


def publication(event: Event) -> Request:
    """The request that publishes an event which a client has sent as such; it wants no answer.

    Clients of a broker may do so (RFC 3, flux_send), and cannot be told if it is refused.
    """
    body: dict[str, Any] = {"topic": event.topic, "flags": event.flags & FLAG_PRIVATE}
    if event.payload:
        body["payload"] = b64encode(event.payload).decode()
    return Request("event.publish", encode(body), event.cred, flags=FLAG_NORESPONSE)


class PublishReply(Struct, frozen=True):
    """The sequence number that the event got."""

    seq: int


class SubscribeRequest(Struct, frozen=True):
    """event.subscribe, event.unsubscribe: how the topics begin; "" is all."""

    topic: str
