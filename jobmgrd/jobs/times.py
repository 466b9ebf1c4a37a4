"""When a job came to each of its states, told from its eventlog; the first time counts (RFC 43).

And when it has to end.
"""

import math
from collections.abc import Mapping
from typing import Final

from jobmgrd.jobs.job import Job
from protocol import eventlog
from protocol.constraint import Attribute
from protocol.job import State


def when(job: Job, attribute: Attribute) -> float:
    """A time of a job (UNIX time), 0.0 if it has not come."""
    if attribute in _EVENTS:
        return _first(job, _EVENTS[attribute])
    return float(getattr(job, _FIELDS[attribute]))


def expiration(job: Job) -> float | None:
    """When its time limit ends a job (UNIX time); None is never, or not known yet."""
    begin = job.t_ready or job.t_run
    return end(begin, job.jobspec.duration) if begin and job.jobspec.duration else None


def end(begin: float, duration: float) -> float:
    """When a time limit is over: later than it began, however short it is, as R has to say."""
    return max(begin + duration, math.nextafter(begin, math.inf))


def reached(job: Job) -> State:
    """All states that a job has ever been in, but NEW."""
    states = State(0)
    for state, attribute in _STATES.items():
        if when(job, attribute):
            states |= state
    return states


def _first(job: Job, name: str) -> float:
    """When the first event of this name was posted."""
    spelled = f'"name":"{name}"'.encode()  # as protocol.eventlog does: few lines are decoded
    for line in job.entries:
        if spelled in line and (entry := eventlog.decode_line(line)).name == name:
            return entry.timestamp
    return 0.0


_FIELDS: Final[Mapping[Attribute, str]] = {
    "t_submit": "t_submit",
    "t_depend": "t_depend",
    "t_run": "t_run",
    "t_cleanup": "t_cleanup",
    "t_inactive": "t_clean",
}
_EVENTS: Final[Mapping[Attribute, str]] = {
    "t_priority": "depend",  # the event that ends DEPEND, and so begins PRIORITY
    "t_sched": "priority",
}
_STATES: Final[Mapping[State, Attribute]] = {
    State.DEPEND: "t_depend",
    State.PRIORITY: "t_priority",
    State.SCHED: "t_sched",
    State.RUN: "t_run",
    State.CLEANUP: "t_cleanup",
    State.INACTIVE: "t_inactive",
}
