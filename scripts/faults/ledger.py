"""What clients were answered, and whether it still holds: a small check of linearizability.

Each job has one client, which does one thing with it at a time. So what holds for the job is what
the last answer said; of the one request that a crash left unanswered either outcome is right, and
the first look decides which it was. Anybody may purge a job that is not pinned.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Final

from msgspec import Struct


class Known(Enum):
    """What is known of something that was asked for."""

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"


class Promise(Struct):
    """A job that was submitted, and what its client was answered since."""

    id: int
    canceled: Known = Known.NO
    pinned: Known = Known.NO
    purged: Known = Known.NO
    urgencies: list[int] = []  # that were answered
    memos: list[int] = []


class Batch(Struct, frozen=True):
    """A purge as it was answered."""

    seq: int
    count: int


class Seen(Struct, frozen=True):
    """A job as the daemon shows it now: its eventlog, or that it was purged, or neither."""

    eventlog: Sequence[Mapping[str, Any]] | None
    purged: bool
    pinned: bool


ONCE: Final = ("submit", "start", "finish", "clean")
"""Events that a job has once, or not at all."""


def broken(promise: Promise, seen: Seen) -> Iterator[str]:
    """What does not hold; takes in what the look decides."""
    if seen.purged:
        if promise.pinned is Known.YES:
            yield "it is pinned, and was purged"
        promise.purged = Known.YES
        return
    if seen.eventlog is None:
        yield "it is unknown"
        return
    if promise.purged is Known.YES:
        yield "it was purged, and is there"
    promise.purged = Known.NO
    if promise.pinned is not Known.MAYBE and seen.pinned != (promise.pinned is Known.YES):
        yield "it is pinned, and should not be" if seen.pinned else "its pin is lost"
    promise.pinned = Known.YES if seen.pinned else Known.NO
    yield from _broken_events(promise, seen.eventlog)


def _broken_events(promise: Promise, eventlog: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    names = [event["name"] for event in eventlog]
    for name in ONCE:
        if names.count(name) > 1:
            yield f"event {name} is there {names.count(name)} times"
    canceled = any(
        event["name"] == "exception" and event["context"]["type"] == "cancel" for event in eventlog
    )
    if promise.canceled is Known.YES and not canceled:
        yield "it was canceled, and is not"
    promise.canceled = Known.YES if canceled else Known.NO
    kept = [event["context"]["urgency"] for event in eventlog if event["name"] == "urgency"]
    if lost := [urgency for urgency in promise.urgencies if urgency not in kept]:
        yield f"urgencies {lost} are lost"
    noted = [event["context"].get("n") for event in eventlog if event["name"] == "memo"]
    if forgotten := [n for n in promise.memos if n not in noted]:
        yield f"memos {forgotten} are lost"


def broken_log(batches: Sequence[Batch], log: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What does not hold of the purge log, read from its beginning."""
    seqs = [record["seq"] for record in log]
    if seqs != list(range(1, len(seqs) + 1)):
        yield f"the purge log has a gap or a seq twice: {seqs[-20:]}"
    jobs = [id for record in log for id in record["jobs"]]
    if len(jobs) != len(set(jobs)):
        yield "a job was purged twice"
    counts = {record["seq"]: len(record["jobs"]) for record in log}
    for batch in batches:
        if counts.get(batch.seq) != batch.count:
            yield f"purge {batch.seq} of {batch.count} jobs is logged with {counts.get(batch.seq)}"
