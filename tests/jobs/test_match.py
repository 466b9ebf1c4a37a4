"""Whether active jobs satisfy constraints, and what a constraint becomes once a state is known."""

import msgspec
import pytest
from hypothesis import given

from jobmgrd.jobs.job import Job
from jobmgrd.jobs.match import assume, predicate
from jobmgrd.jobs.times import reached, when
from protocol import jobspec
from protocol.constraint import FALSE, Constraint, States
from protocol.constraint_reader import parse
from protocol.job import State
from tests.random_jobs import CONSTRAINTS, jobs, live

GROUPS = (State.PENDING, State.RUNNING, State.INACTIVE)


def _matches(job: Job, value: dict[str, object]) -> bool:
    return predicate(parse(value))(job)


def _job(life: str) -> Job:
    spec = jobspec.from_command(["true"])
    jobspec.set_attribute(spec, "system.queue", "batch")
    data = msgspec.json.encode(spec)
    job = Job(7, jobspec.decode(data), data)
    live(job, life, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], userid=42, ranks={0, 2})
    return job


@pytest.mark.parametrize(
    ("life", "value", "matches"),
    [
        ("pending", {"userid": [42, 43]}, True),
        ("pending", {"userid": [43]}, False),
        ("pending", {"userid": []}, False),
        ("pending", {"name": ["true"]}, True),
        ("pending", {"queue": ["batch"]}, True),
        ("pending", {"queue": [""]}, False),
        ("pending", {"states": ["pending"]}, True),
        ("pending", {"states": ["run"]}, False),
        ("pending", {"results": ["completed", "failed"]}, False),
        ("ended", {"results": ["completed"]}, True),
        ("failed", {"results": ["completed"]}, False),
        ("canceled", {"results": ["canceled"]}, True),
        ("pending", {"hostlist": ["n[0-9]"]}, False),
        ("running", {"hostlist": ["n[2-9]"]}, True),
        ("running", {"hostlist": ["n1"]}, False),
        ("running", {"ranks": ["1-2"]}, True),
        ("running", {"ranks": ["1,3"]}, False),
        ("pending", {"t_submit": [">=1"]}, True),
        ("pending", {"t_sched": ["<=3"]}, True),
        ("depend", {"t_sched": [">=0"]}, False),
        ("running", {"t_run": [">4"]}, False),
        ("running", {"t_run": [">3.9"]}, True),
        ("running", {"t_inactive": [">=0"]}, False),
        ("running", {"not": [{"t_inactive": [">=0"]}]}, True),
        ("pending", {"or": []}, True),
        ("pending", {"and": []}, True),
        ("pending", {"not": []}, False),
        ("pending", {"not": [{"userid": [42]}, {"userid": [43]}]}, True),
        ("pending", {"or": [{"userid": [1]}, {"states": ["sched"]}]}, True),
    ],
)
def test_a_job_satisfies_what_rfc_43_says(
    life: str, value: dict[str, object], matches: bool
) -> None:
    """Each operator; a time that has not come compares with nothing."""
    assert _matches(_job(life), value) is matches


@given(jobs(), CONSTRAINTS)
def test_assuming_its_states_changes_no_answer(job: Job, constraint: Constraint) -> None:
    """The simpler constraint says the same of every job in these states."""
    for states in GROUPS:
        if job.state & states:
            assert predicate(assume(constraint, states))(job) == predicate(constraint)(job)


def test_a_constraint_that_no_state_satisfies_is_known_beforehand() -> None:
    """So a list of running jobs never asks the store."""
    constraint = parse({"and": [{"states": ["run"]}, {"userid": [42]}]})
    assert assume(constraint, State.INACTIVE) == FALSE
    assert assume(constraint, State.PENDING) == FALSE
    assert assume(constraint, State.RUNNING) != FALSE
    assert assume(States(State.RUN), State.RUN | State.CLEANUP) == States(State.RUN)


def test_times_are_those_of_the_first_time() -> None:
    """A job that was given another priority entered SCHED when it first did."""
    job = _job("pending")
    job.apply(8.0, "urgency", {"userid": 42, "urgency": 20})
    job.apply(9.0, "priority", {"priority": 20})
    assert (when(job, "t_priority"), when(job, "t_sched")) == (2.0, 3.0)
    assert reached(job) == State.PENDING


def test_a_job_canceled_early_was_never_in_the_states_between() -> None:
    """From SCHED to CLEANUP and INACTIVE."""
    assert reached(_job("canceled")) == State.PENDING | State.CLEANUP | State.INACTIVE
