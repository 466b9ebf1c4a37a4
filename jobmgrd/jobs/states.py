"""The job state machine (RFC 21): which event moves a job where, and what a state asks for next.

Theory. A job's state is a function of its eventlog and nothing else: each event is applied to the
job, `TRANSITIONS` says where that leads, and `next_action` says what the job manager owes the job
there. So a restart only has to apply the kept events again, and a job is in the same place.

    NEW --validate--> DEPEND --depend--> PRIORITY --priority--> SCHED --alloc--> RUN
    RUN --finish--> CLEANUP --clean--> INACTIVE
    SCHED --urgency, jobspec-update, flux-restart--> PRIORITY
    any of DEPEND, PRIORITY, SCHED, RUN --exception of severity 0--> CLEANUP

A job stays in DEPEND while a dependency-add has no dependency-remove of the same description.
All other events (memo, start, release, free, ...) are kept and change facts, not the state.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from protocol.job import State

if TYPE_CHECKING:
    from jobmgrd.jobs.job import Job

TRANSITIONS: Final[Mapping[tuple[State, str], State]] = {
    (State.NEW, "validate"): State.DEPEND,
    (State.DEPEND, "depend"): State.PRIORITY,
    (State.PRIORITY, "priority"): State.SCHED,
    (State.SCHED, "urgency"): State.PRIORITY,
    (State.SCHED, "jobspec-update"): State.PRIORITY,
    (State.SCHED, "flux-restart"): State.PRIORITY,
    (State.SCHED, "alloc"): State.RUN,
    (State.RUN, "finish"): State.CLEANUP,
    (State.CLEANUP, "clean"): State.INACTIVE,
}

FATAL: Final = State.DEPEND | State.PRIORITY | State.SCHED | State.RUN
"""States that an exception of severity 0 ends."""


class Action(Enum):
    """What the job manager owes a job next."""

    VALIDATE = auto()
    DEPEND = auto()
    PRIORITIZE = auto()
    ENQUEUE = auto()
    START = auto()
    END_TASKS = auto()
    FREE = auto()
    CLEAN = auto()


def next_action(job: "Job") -> Action | None:
    """What is due for a job in its present state; None while it waits for somebody else."""
    state = job.state
    if state is State.SCHED:
        return Action.ENQUEUE
    if state is State.RUN:
        return None if job.start_asked else Action.START
    if state is State.CLEANUP:
        return _cleanup(job)
    if state is State.DEPEND and job.dependencies:
        return None
    return _EARLY.get(state)


_EARLY: Final[Mapping[State, Action]] = {
    State.NEW: Action.VALIDATE,
    State.DEPEND: Action.DEPEND,
    State.PRIORITY: Action.PRIORITIZE,
}


def _cleanup(job: "Job") -> Action | None:
    """Processes end first, then resources go back, then the job is clean."""
    if job.start_asked and job.status is None:
        return None if job.end_asked else Action.END_TASKS
    return Action.FREE if job.has_resources else Action.CLEAN
