"""Payloads of the events that the daemon publishes, and the RPCs about events."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

HEARTBEAT: Final = "heartbeat.pulse"
PURGE: Final = "job-purge-inactive"
JOB_STATE: Final = "job-state"

READY: Final = "event.ready."
"""Begins the topics by which a subscriber learns that its subscriptions are in effect."""


class PurgeEvent(Struct, frozen=True):
    """job-purge-inactive: one committed batch. `t` is UNIX time."""

    jobs: Sequence[int]
    seq: int
    t: float
    reason: str
    userid: int


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


class PublishReply(Struct, frozen=True):
    """The sequence number that the event got."""

    seq: int


class SubscribeRequest(Struct, frozen=True):
    """event.subscribe, event.unsubscribe: how the topics begin; "" is all."""

    topic: str
