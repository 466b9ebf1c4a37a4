"""What clients were answered, and whether it still holds: a check of linearizability.

Each value has one client that sets it, which asks for one thing at a time. So the value is
what the last answer said; of the one request that a crash left unanswered either outcome is right,
and the first look decides which it was. A request that was refused changed nothing. Nobody but its
client cancels, pins or changes a job; anybody may purge one that is not pinned.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct, field


class Register:
    """A value that one client sets: what it may be, by the answers so far."""

    def __init__(self, value: object) -> None:
        self._possible = {value}
        self._before = self._possible

    def ask(self, value: object) -> None:
        """A request to set it goes out: from now on it may be either."""
        self._before = self._possible
        self._possible = self._possible | {value}

    def answer(self, value: object) -> None:
        """It is set."""
        self._possible = {value}

    def refuse(self) -> None:
        """It was not set."""
        self._possible = self._before

    def is_surely(self, value: object) -> bool:
        """Whether it can be nothing else."""
        return self._possible == {value}

    def see(self, value: object) -> bool:
        """It was looked at: whether it may be that. It is, from now on."""
        allowed = value in self._possible
        self._possible = {value}
        return allowed

    def __str__(self) -> str:
        return " or ".join(sorted(map(str, self._possible)))


def _unset() -> Register:
    return Register(value=False)


class Promise(Struct):
    """A job that was submitted, and what its client was answered since."""

    id: int
    name: str
    real: bool = False
    canceled: Register = field(default_factory=_unset)
    pinned: Register = field(default_factory=_unset)
    purged: bool = False
    told: dict[str, list[Any]] = field(default_factory=dict)
    """Event -> what answered requests put into the eventlog by it, in order."""

    def note(self, event: str, value: object) -> None:
        """A request that adds an event was answered."""
        self.told.setdefault(event, []).append(value)


VALUES: Final[Mapping[str, str]] = {
    "urgency": "urgency",
    "memo": "n",
    "jobspec-update": "attributes.system.duration",
}
"""Event -> the key of its context that tells one request's event from another's."""


class Batch(Struct, frozen=True):
    """A purge as it was answered; `jobs` if its ids were asked for."""

    seq: int
    count: int
    jobs: frozenset[int] | None = None


class Seen(Struct, frozen=True):
    """A job as the daemon shows it now: its eventlog, or that it was purged, or neither."""

    eventlog: Sequence[Mapping[str, Any]] | None
    name: str = ""
    purged: bool = False
    pinned: bool = False

    @property
    def completed(self) -> bool:
        """Whether it ran to its end, and well."""
        return any(
            e["name"] == "finish" and not e["context"]["status"] for e in self.eventlog or ()
        )


ONCE: Final = ("submit", "start", "finish", "clean")
"""Events that a job has once, or not at all."""


def broken(promise: Promise, seen: Seen, checked: Counter[str]) -> Iterator[str]:
    """What does not hold; takes in what the look decides, and counts the answers it looked at."""
    checked["submit"] += 1
    checked["purge"] += promise.purged
    checked["pin or unpin"] += not promise.pinned.is_surely(value=False)
    if seen.purged:
        if promise.pinned.is_surely(value=True):
            yield "it is pinned, and was purged"
        promise.purged = True
        return
    if seen.eventlog is None:
        yield "it is unknown"
        return
    if promise.purged:
        yield "it was purged, and is there"
    if seen.name != promise.name:
        yield f"it is {seen.name!r}, and {promise.name!r} was submitted"
    before = str(promise.pinned)
    if not promise.pinned.see(seen.pinned):
        yield f"whether it is pinned is {seen.pinned}, and should be {before}"
    yield from _broken_events(promise, seen.eventlog, checked)


def _broken_events(
    promise: Promise, eventlog: Sequence[Mapping[str, Any]], checked: Counter[str]
) -> Iterator[str]:
    names = [event["name"] for event in eventlog]
    if names[0] != "submit":
        yield f"its eventlog begins with {names[0]}"
    for name in ONCE:
        if names.count(name) > 1:
            yield f"event {name} is there {names.count(name)} times"
    canceled = any(e["name"] == "exception" and e["context"]["type"] == "cancel" for e in eventlog)
    checked["cancel"] += promise.canceled.is_surely(value=True)
    before = str(promise.canceled)
    if not promise.canceled.see(canceled):
        yield f"whether it was canceled is {canceled}, and should be {before}"
    for name, told in promise.told.items():
        checked[name] += len(told)
        kept = [event["context"].get(VALUES[name]) for event in eventlog if event["name"] == name]
        rest = iter(kept)
        if not all(value in rest for value in told):  # each after the one before
            yield f"{name} events {told} were answered, and {kept} are there"


def broken_log(
    batches: Sequence[Batch], log: Sequence[Mapping[str, Any]], checked: Counter[str]
) -> Iterator[str]:
    """What does not hold of the purge log, read from its beginning."""
    seqs = [record["seq"] for record in log]
    if seqs != list(range(1, len(seqs) + 1)):
        yield f"the purge log has a gap or a seq twice: {seqs[-20:]}"
    jobs = [id for record in log for id in record["jobs"]]
    if len(jobs) != len(set(jobs)):
        yield "a job was purged twice"
    if len(epochs := {record["epoch"] for record in log}) > 1:
        yield f"the purge log has {len(epochs)} epochs"
    logged = {record["seq"]: record["jobs"] for record in log}
    for batch in batches:
        checked["batch"] += 1
        found = logged.get(batch.seq, ())
        if len(found) != batch.count:
            yield f"purge {batch.seq} of {batch.count} jobs is logged with {len(found)}"
        if batch.jobs is not None and batch.jobs != set(found):
            yield f"purge {batch.seq} was answered with other jobs than it is logged with"


def broken_runs(seen: Mapping[int, Seen], real: set[int], runs: Counter[int]) -> Iterator[str]:
    """What does not hold of the jobs that note when they run."""
    for id, times in runs.items():
        if times > 1:
            yield f"job {id} ran {times} times"
    for id in real & seen.keys():
        if seen[id].completed and not runs[id]:
            yield f"job {id} completed, and never ran"
