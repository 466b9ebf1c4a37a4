"""The job state machine (RFC 21): which event moves a job where, and what a state asks for next.

Theory. A job's state is a function of its eventlog and nothing else: each event is applied to the
job, `TRANSITIONS` says where that leads, and `next_action` says what the job manager owes the job
there. So a restart only has to apply the kept events again, and a job is in the same place.

    NEW --validate--> DEPEND --depend--> PRIORITY --priority--> SCHED --alloc--> RUN
    RUN --finish--> CLEANUP --clean--> INACTIVE
    SCHED --urgency, jobspec-update, flux-restart--> PRIORITY
    any of DEPEND, PRIORITY, SCHED, RUN --exception of severity 0--> CLEANUP

A job stays in DEPEND while a dependency-add has no dependency-remove of the same description.
Commands of the site may run before a job's tasks and after them. They change no state, but what
comes next waits for them (RFC 21, prolog-start to epilog-finish):

    in RUN      PROLOG, if there is one --> START
    in CLEANUP  END_TASKS --> EPILOG, if there is one, and a prolog or tasks were before --> FREE
                --> CLEAN; a prolog that still runs is ended as tasks are, and tasks never start

All other events (memo, start, release, free, ...) are kept and change facts, not the state.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, NamedTuple

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
    PROLOG = auto()
    START = auto()
    END_TASKS = auto()
    EPILOG = auto()
    FREE = auto()
    CLEAN = auto()


class Plan(NamedTuple):
    """Which commands of the site run around each job."""

    prolog: bool = False
    epilog: bool = False


NOTHING_AROUND: Final = Plan()


def next_action(job: "Job", plan: Plan = NOTHING_AROUND) -> Action | None:
    """What is due for a job in its present state; None while it waits for somebody else."""
    state = job.state
    if state is State.SCHED:
        return Action.ENQUEUE
    if state is State.RUN:
        if job.start_asked or job.perilog is not None:
            return None
        return Action.PROLOG if plan.prolog and not job.prolog_done else Action.START
    if state is State.CLEANUP:
        return _cleanup(job, plan)
    if state is State.DEPEND and job.dependencies:
        return None
    return _EARLY.get(state)


_EARLY: Final[Mapping[State, Action]] = {
    State.NEW: Action.VALIDATE,
    State.DEPEND: Action.DEPEND,
    State.PRIORITY: Action.PRIORITIZE,
}


def _cleanup(job: "Job", plan: Plan) -> Action | None:
    """Processes end first, then resources go back, then the job is clean."""
    if job.perilog == "epilog":
        return None
    if job.perilog == "prolog" or (job.start_asked and job.status is None):
        return None if job.end_asked else Action.END_TASKS
    if not job.has_resources:
        return Action.CLEAN
    if plan.epilog and not job.epilog_done and (job.start_asked or job.prolog_done):
        return Action.EPILOG
    return Action.FREE
