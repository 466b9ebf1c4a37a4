"""Hypothesis strategies: jobs with a life behind them, and constraints that may match them."""

from typing import Any, Final

import msgspec
from hypothesis import strategies as st

from jobmgrd.jobs.job import Job
from protocol import jobspec, resource_set
from protocol.constraint import (
    And,
    Attribute,
    Comparison,
    Constraint,
    Hosts,
    Names,
    Not,
    Or,
    Queues,
    Ranks,
    Results,
    States,
    Userids,
    When,
)
from protocol.resource_set import Rank, ResourceSet

USERIDS: Final = st.integers(1000, 1002)
NAMES: Final = st.sampled_from(["a", "b", "o'hara", 'x"; --', "", "\0nul", "ünïcode"])
QUEUES: Final = st.sampled_from(["", "batch", "debug", "') OR 1 --"])
HOSTS: Final = st.sampled_from([f"n{n}" for n in range(4)])
TIMES: Final = st.one_of(
    st.integers(1, 12).map(float), st.floats(1.7e9, 1.8e9, allow_nan=False).map(lambda t: t + 0.1)
)
LIVES: Final = st.sampled_from(["depend", "pending", "running", "ended", "failed", "canceled"])


@st.composite
def jobs(draw: st.DrawFn, id: int = 1, lives: st.SearchStrategy[str] = LIVES) -> Job:
    """A job somewhere in its life; "canceled" is while it was pending."""
    spec: dict[str, Any] = jobspec.from_command(["true"])
    jobspec.set_attribute(spec, "system.job.name", draw(NAMES))
    if queue := draw(QUEUES):
        jobspec.set_attribute(spec, "system.queue", queue)
    data = msgspec.json.encode(spec)
    job = Job(id, jobspec.decode(data), data)
    times = sorted(draw(st.lists(TIMES, min_size=7, max_size=7)))
    live(job, draw(lives), times, userid=draw(USERIDS), ranks=draw(st.sets(st.integers(0, 3))))
    return job


def live(job: Job, life: str, times: list[float], *, userid: int, ranks: set[int]) -> None:
    """Post the events of a life, one at each of seven times; some of them at once."""
    submit = {"userid": userid, "urgency": 16, "flags": 0, "version": 1}
    job.apply(times[0], "submit", submit)
    job.apply(times[0], "validate")
    if life == "depend":
        return
    job.apply(times[1], "depend")
    job.apply(times[2], "priority", {"priority": 16})
    if life == "pending":
        return
    if life == "canceled":
        job.apply(times[3], "exception", {"type": "cancel", "severity": 0, "note": "no"})
        job.apply(times[6], "clean")
        return
    given = tuple(Rank(rank, (0, 1), (), f"n{rank}") for rank in sorted(ranks | {0}))
    job.R = resource_set.encode(ResourceSet(given, times[3], 0.0))
    job.ranks = given
    job.apply(times[3], "alloc")
    job.apply(times[4], "start")
    if life == "running":
        return
    job.apply(times[5], "finish", {"status": 0 if life == "ended" else 256})
    job.apply(times[5], "free")
    job.apply(times[6], "clean")


ENDED: Final = st.sampled_from(["ended", "failed", "canceled"])

_ATTRIBUTES: Final[st.SearchStrategy[Attribute]] = st.sampled_from(
    ["t_submit", "t_depend", "t_priority", "t_sched", "t_run", "t_cleanup", "t_inactive"]
)
_COMPARISONS: Final[st.SearchStrategy[Comparison]] = st.sampled_from(["<", "<=", ">", ">="])


def _leaves() -> st.SearchStrategy[Constraint]:
    return st.one_of(
        st.frozensets(USERIDS, max_size=2).map(Userids),
        st.frozensets(NAMES, max_size=3).map(Names),
        st.frozensets(QUEUES, max_size=3).map(Queues),
        st.integers(0, 127).map(States),
        st.integers(0, 15).map(Results),
        st.frozensets(HOSTS, max_size=3).map(Hosts),
        st.frozensets(st.integers(0, 4), max_size=3).map(Ranks),
        st.builds(When, _ATTRIBUTES, _COMPARISONS, TIMES | st.just(0.0)),
    )


def _inner(terms: st.SearchStrategy[Constraint]) -> st.SearchStrategy[Constraint]:
    some = st.lists(terms, max_size=3).map(tuple)
    return st.one_of(some.map(And), some.map(Or), some.map(Not))


CONSTRAINTS: Final[st.SearchStrategy[Constraint]] = st.recursive(_leaves(), _inner, max_leaves=8)
