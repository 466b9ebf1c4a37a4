"""Requests and replies about what is kept and for how long; all of these topics are ours."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct


class PinRequest(Struct, frozen=True):
    """job-manager.pin: keep a job whatever the limits say, until a UNIX time (0.0: for ever)."""

    id: int
    reason: str
    until: float = 0.0


class IdRequest(Struct, frozen=True):
    """job-manager.unpin, retention: one job."""

    id: int


class PinReply(Struct, frozen=True):
    """A pin: who set it when, and why."""

    id: int
    reason: str
    until: float
    userid: int
    t: float


class PinListReply(Struct, frozen=True):
    """job-manager.pin-list: all pins, by id."""

    pins: Sequence[PinReply]


class RetentionReply(Struct, frozen=True, omit_defaults=True):
    """job-manager.retention: what holds a job, and when it will go.

    Times are UNIX time, ages seconds, -1 is unlimited. `goes` is when an age limit will be
    exceeded; `beyond` is how many more jobs have to end until a number limit is.
    """

    id: int
    state: str  # "active" or "inactive"
    why: str  # in words
    rule: str | None = None  # the name of a rule, "default", "pinned" or "held"
    age: float | None = None
    place: int | None = None  # how many jobs of its rule go first
    count: int | None = None  # jobs under that rule
    age_limit: float | None = None
    num_limit: int | None = None
    goes: float | None = None
    beyond: int | None = None
    pin: PinReply | None = None


class PurgeLogRequest(Struct, frozen=True):
    """job-manager.purge-log: records with seq > since; with `follow`, and those to come.

    `epoch` is that of `since`: the request is refused with ESTALE if the history is another one.
    """

    since: int = 0
    follow: bool = False
    epoch: str | None = None


class OrphanReply(Struct, frozen=True):
    """A record that could not be replayed: what is known of it, and why it could not."""

    id: int
    reason: str
    t: float


class OrphansReply(Struct, frozen=True):
    """job-manager.orphans: all of them."""

    orphans: Sequence[OrphanReply]


class TotalsReply(Struct, frozen=True):
    """job-manager.totals: how many jobs ended, by UTC day, queue and result, purged or not."""

    totals: Sequence[Mapping[str, Any]]
