"""Which inactive jobs go next, and how many: limits over the order of ending.

Jobs leave oldest first: by `t_clean`, ties by the smaller id. Every inactive job belongs to one
retention class, a small number; within a class its jobs form one queue in that order. Class
DEFAULT holds the jobs that no rule names; HELD holds pinned jobs and those that an active job
depends on, which are never eligible and never counted.

A limit makes a *prefix* of a queue eligible: the jobs strictly older than the age limit, or those
beyond the number that may stay, whichever is longer. A rule's own limits speak of its class; the
two global limits then bound what is left of all classes taken together. So a decision needs only
the head of each queue and its length, never the whole history (flux-core's purge.c walks a list
of every kept job for the same answer).
"""

from collections.abc import Mapping, Sequence
from heapq import merge
from itertools import islice
from math import inf
from typing import Final, NamedTuple, Protocol

from msgspec import Struct

HELD: Final = -1
DEFAULT: Final = 0

UNLIMITED: Final = -1
BATCH_MAX: Final = 100


class Candidate(NamedTuple):
    """An inactive job in the order in which jobs are purged."""

    t_clean: float
    id: int
    rule: int


class History(Protocol):
    """What a decision may ask about the inactive jobs."""

    def counts(self) -> Mapping[int, int]:
        """The number of jobs in each class that has any; held ones are not counted."""

    def oldest(self, rule: int, limit: int) -> Sequence[Candidate]:
        """At most `limit` jobs of a class, oldest first."""

    def count_before(self, rule: int, t: float) -> int:
        """How many jobs of a class have `t_clean` < t."""

    def position(self, job: Candidate) -> int:
        """How many jobs of its class go before this one, which need not be there."""

    def find(self, ids: Sequence[int]) -> Sequence[Candidate]:
        """Those of these jobs that are inactive, held or not."""


class Limits(Struct, frozen=True):
    """How long jobs stay: seconds since the end, and their number. -1 is unlimited."""

    age: float = UNLIMITED
    num: int = UNLIMITED

    @property
    def unlimited(self) -> bool:
        """Whether nothing is ever eligible by these limits."""
        return self.age == UNLIMITED and self.num == UNLIMITED

    def cutoff(self, now: float) -> float:
        """Jobs that ended before this time are too old."""
        return float("-inf") if self.age == UNLIMITED else now - self.age

    def excess(self, count: int) -> int:
        """How many of `count` jobs are beyond the number limit."""
        return 0 if self.num == UNLIMITED else max(0, count - self.num)


class Policy(Struct, frozen=True):
    """The limits of a purge: those over all jobs, and those of single classes."""

    limits: Limits = Limits()
    rules: Mapping[int, Limits] = {}

    @property
    def unlimited(self) -> bool:
        """Whether nothing is ever eligible."""
        return self.limits.unlimited and all(r.unlimited for r in self.rules.values())


def select(history: History, policy: Policy, now: float, batch: int) -> list[Candidate]:
    """The next jobs to purge, oldest first, at most `batch` of them.

    Jobs that a rule's own limits make eligible go before those that only the global limits do,
    since their going may bring the rest within the global number.
    """
    counts = history.counts()
    by_rule = [
        _prefix(history, rule, limits, counts[rule], now, batch)
        for rule, limits in policy.rules.items()
        if counts.get(rule)
    ]
    chosen = list(islice(merge(*by_rule), batch))
    if chosen:
        return chosen
    heads = [history.oldest(rule, batch) for rule in counts]
    oldest = list(islice(merge(*heads), batch))
    cutoff = policy.limits.cutoff(now)
    excess = policy.limits.excess(sum(counts.values()))
    return [job for n, job in enumerate(oldest) if n < excess or job.t_clean < cutoff]


def count(history: History, policy: Policy, now: float) -> int:
    """How many jobs repeated calls of `select` would choose until none is left."""
    counts = history.counts()
    gone = _gone(history, policy, counts, now)
    total = sum(counts.values()) - sum(gone.values())
    old = 0
    if policy.limits.age >= 0:
        cutoff = policy.limits.cutoff(now)
        old = sum(max(0, history.count_before(rule, cutoff) - gone[rule]) for rule in counts)
    return sum(gone.values()) + max(old, policy.limits.excess(total))


def _gone(
    history: History, policy: Policy, counts: Mapping[int, int], now: float
) -> Mapping[int, int]:
    """How many jobs of each class its own limits make eligible."""
    gone = dict.fromkeys(counts, 0)
    for rule, limits in policy.rules.items():
        if rule in counts:
            old = history.count_before(rule, limits.cutoff(now)) if limits.age >= 0 else 0
            gone[rule] = max(old, limits.excess(counts[rule]))
    return gone


def _prefix(
    history: History, rule: int, limits: Limits, length: int, now: float, batch: int
) -> list[Candidate]:
    cutoff = limits.cutoff(now)
    excess = limits.excess(length)
    if not excess and limits.age == UNLIMITED:
        return []
    heads = history.oldest(rule, batch)
    return [job for n, job in enumerate(heads) if n < excess or job.t_clean < cutoff]


class Standing(Struct, frozen=True):
    """Where an inactive job stands by the stricter of the limits; -1 is unlimited.

    `place` of `count` is how many jobs of its class go before it. `goes` is the time after which
    it is too old, None without an age limit. `beyond` is how many more jobs of its class have to
    end until it is beyond the number that may stay, 0 or less if it is already, None without a
    number limit; by the global one jobs of any class count, once these are within their own.
    """

    age: float
    place: int = 0
    count: int = 0
    age_limit: float = UNLIMITED
    num_limit: int = UNLIMITED
    goes: float | None = None
    beyond: int | None = None


def standing(history: History, policy: Policy, job: Candidate, now: float) -> Standing:
    """Where a job stands by its rule's limits and the global ones; a held one is under none."""
    if job.rule == HELD:
        return Standing(now - job.t_clean)
    own = policy.rules.get(job.rule, Limits())
    counts = history.counts()
    length = counts.get(job.rule, 0)
    place = history.position(job)
    age_limit = min((x.age for x in (own, policy.limits) if 0 <= x.age < inf), default=UNLIMITED)
    left: list[tuple[int, int]] = []
    if own.num != UNLIMITED:
        left.append((own.num + 1 - (length - place), own.num))
    if policy.limits.num != UNLIMITED:
        behind = length - place + _behind(history, policy, counts, job, now)
        left.append((policy.limits.num + 1 - behind, policy.limits.num))
    beyond, num_limit = min(left, default=(None, UNLIMITED))
    return Standing(
        age=now - job.t_clean,
        place=place,
        count=length,
        age_limit=age_limit,
        num_limit=num_limit,
        goes=None if age_limit == UNLIMITED else job.t_clean + age_limit,
        beyond=beyond,
    )


def _behind(
    history: History, policy: Policy, counts: Mapping[int, int], job: Candidate, now: float
) -> int:
    """How many jobs of other classes are left, by their own limits, that go after this one."""
    gone = _gone(history, policy, counts, now)
    return sum(
        counts[rule] - max(gone[rule], history.position(job._replace(rule=rule)))
        for rule in counts
        if rule != job.rule
    )


def reason(counts: Mapping[int, int], policy: Policy, job: Candidate, now: float) -> str:
    """Why `select` chose a job, given the counts that it saw: "age limit" or "number limit".

    With "of its rule" if that is what makes the job eligible.
    """
    own = policy.rules.get(job.rule, Limits())
    if job.t_clean < own.cutoff(now):
        return "age limit of its rule"
    if own.excess(counts.get(job.rule, 0)):
        return "number limit of its rule"
    return "age limit" if job.t_clean < policy.limits.cutoff(now) else "number limit"
