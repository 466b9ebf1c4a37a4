"""The job state machine (RFC 21), event by event."""

import json

import pytest

from jobmgrd.jobs.job import Job, priority_of, replay
from jobmgrd.jobs.states import TRANSITIONS, Action, Plan, next_action
from protocol import resource_set
from protocol.errors import FormatError
from protocol.job import PRIORITY_MAX, Result, State
from protocol.jobspec import from_command, parse

JOBSPEC = from_command(["true"])
SUBMIT = {"urgency": 16, "userid": 7, "flags": 4, "version": 1}


def job_after(*events: tuple[str, dict[str, object] | None]) -> Job:
    """A job to which these events were applied, a second apart."""
    job = Job(1, parse(JOBSPEC), json.dumps(JOBSPEC).encode())
    for t, (name, context) in enumerate(events, start=100):
        job.apply(float(t), name, context)
    return job


LIFE: list[tuple[str, dict[str, object] | None]] = [
    ("submit", dict(SUBMIT)),
    ("validate", None),
    ("depend", None),
    ("priority", {"priority": 16}),
    ("alloc", None),
    ("start", None),
    ("finish", {"status": 0}),
    ("release", {"ranks": "all", "final": True}),
    ("free", None),
    ("clean", None),
]


def test_a_job_goes_through_all_states_in_order() -> None:
    """RFC 21, state diagram: the regular life of a job."""
    states = [job_after(*LIFE[:n]).state for n in range(1, len(LIFE) + 1)]
    assert states == [
        State.NEW,
        State.DEPEND,
        State.PRIORITY,
        State.SCHED,
        State.RUN,
        State.RUN,
        State.CLEANUP,
        State.CLEANUP,
        State.CLEANUP,
        State.INACTIVE,
    ]


def test_each_state_says_what_is_due() -> None:
    """What the job manager owes a job follows from its events alone."""
    due = [next_action(job_after(*LIFE[:n])) for n in range(1, len(LIFE) + 1)]
    assert due == [
        Action.VALIDATE,
        Action.DEPEND,
        Action.PRIORITIZE,
        Action.ENQUEUE,
        Action.START,
        None,
        Action.FREE,
        Action.FREE,
        Action.CLEAN,
        None,
    ]


AROUND: list[tuple[str, dict[str, object] | None]] = [
    *LIFE[:5],
    ("prolog-start", {"description": "p"}),
    ("prolog-finish", {"description": "p", "status": 0}),
    *LIFE[5:7],
    ("epilog-start", {"description": "e"}),
    ("epilog-finish", {"description": "e", "status": 0}),
    *LIFE[7:],
]


def test_commands_of_the_site_hold_up_what_comes_next() -> None:
    """RFC 21, prolog-start to epilog-finish: they change what is due, and no state."""
    plan = Plan(prolog=True, epilog=True)
    due = [next_action(job_after(*AROUND[:n]), plan) for n in range(5, len(AROUND))]
    assert due == [
        Action.PROLOG,
        None,
        Action.START,
        None,
        Action.EPILOG,
        None,
        Action.FREE,
        Action.FREE,
        Action.CLEAN,
    ]


def test_an_exception_during_a_prolog_asks_for_its_end() -> None:
    """Then tasks never start; what the prolog did, the epilog undoes."""
    fatal = {"type": "cancel", "severity": 0, "note": ""}
    job = job_after(*AROUND[:6], ("exception", dict(fatal)))
    plan = Plan(prolog=True, epilog=True)
    assert next_action(job, plan) is Action.END_TASKS
    job.end_asked = True
    assert next_action(job, plan) is None
    job.apply(200.0, "prolog-finish", {"description": "p", "status": 15})
    assert next_action(job, plan) is Action.EPILOG
    assert next_action(job) is Action.FREE


@pytest.mark.parametrize("upto", range(2, 7))
def test_a_fatal_exception_leads_to_cleanup_from_every_state(upto: int) -> None:
    """RFC 21, exceptions: severity 0 interrupts DEPEND to RUN."""
    fatal = {"type": "cancel", "severity": 0, "note": ""}
    job = job_after(*LIFE[:upto], ("exception", dict(fatal)))
    assert job.state is State.CLEANUP
    assert job.result is Result.CANCELED


def test_a_mild_exception_changes_no_state() -> None:
    """RFC 21, exceptions: severities other than 0 do not affect the state."""
    mild = {"type": "cancel", "severity": 1, "note": ""}
    job = job_after(*LIFE[:5], ("exception", dict(mild)))
    assert job.state is State.RUN
    assert job.exception is None


def test_the_first_fatal_exception_decides_the_result() -> None:
    """RFC 21, exceptions: the first one is the root cause."""
    job = job_after(
        *LIFE[:5],
        ("exception", {"type": "timeout", "severity": 0, "note": "too long"}),
        ("exception", {"type": "cancel", "severity": 0, "note": ""}),
        ("finish", {"status": 15}),
    )
    assert job.result is Result.TIMEOUT
    assert job.exception == ("timeout", 0, "too long")


@pytest.mark.parametrize(("status", "result"), [(0, Result.COMPLETED), (256, Result.FAILED)])
def test_the_wait_status_decides_the_result_without_exception(status: int, result: Result) -> None:
    """RFC 43: completed is a wait status of zero."""
    assert job_after(*LIFE[:6], ("finish", {"status": status})).result is result


def test_an_urgency_change_asks_for_a_new_priority() -> None:
    """RFC 21: urgency takes a job in SCHED back to PRIORITY."""
    job = job_after(*LIFE[:4], ("urgency", {"urgency": 31, "userid": 0}))
    assert job.state is State.PRIORITY
    assert priority_of(job) == PRIORITY_MAX


def test_held_jobs_have_no_priority() -> None:
    """Urgency 0 is hold, in flux-core's built-in priority plugin as here."""
    job = job_after(*LIFE[:1])
    for urgency, priority in ((0, 0), (16, 16)):
        job.urgency = urgency
        assert priority_of(job) == priority


def test_replaying_a_log_gives_the_same_job() -> None:
    """RFC 21: replaying the eventlog reproduces the job, at every point of its life."""
    for n in range(1, len(LIFE) + 1):
        job = job_after(*LIFE[:n])
        R = resource_set.one_rank(0, [0], [], "host", 0.0, 0.0)
        again = replay(1, job.jobspec, job.jobspec_json, R, job.eventlog)
        assert again.eventlog == job.eventlog
        for field in ("state", "userid", "urgency", "priority", "status", "has_resources"):
            assert getattr(again, field) == getattr(job, field), (n, field)
        assert (again.t_submit, again.t_run, again.t_clean) == (
            job.t_submit,
            job.t_run,
            job.t_clean,
        )


@pytest.mark.parametrize("log", [b"", b"nonsense\n", b'{"timestamp":1.0,"name":"validate"}\n'])
def test_a_log_that_is_none_is_refused(log: bytes) -> None:
    """A log must begin with the submit event."""
    with pytest.raises(FormatError):
        replay(1, parse(JOBSPEC), b"{}", None, log)


def test_memo_keys_are_set_and_removed() -> None:
    """RFC 21, memo: a null value removes a key."""
    job = job_after(*LIFE[:4], ("memo", {"a": 1, "b": 2}), ("memo", {"a": None}))
    assert job.memo == {"b": 2}


def test_memos_are_merged_level_by_level() -> None:
    """As flux-core does: an object is not replaced, and goes with its last key."""
    job = job_after(
        *LIFE[:4],
        ("memo", {"run": {"step": 1, "of": 9}, "flat": 1}),
        ("memo", {"run": {"step": 2, "of": None}, "flat": {"a": 1}}),
    )
    assert job.memo == {"run": {"step": 2}, "flat": {"a": 1}}
    job.apply(300.0, "memo", {"run": {"step": None}})
    assert job.memo == {"flat": {"a": 1}}


def test_no_transition_leaves_the_captive_state() -> None:
    """RFC 21: INACTIVE is the end."""
    assert all(state is not State.INACTIVE for state, _event in TRANSITIONS)
