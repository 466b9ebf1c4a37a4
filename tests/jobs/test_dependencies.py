"""Dependencies: what is understood of them, and which ends of another job meet them (RFC 26)."""

import pytest

from jobmgrd.jobs.dependencies import (
    After,
    BeginTime,
    Foreign,
    Singleton,
    never,
    never_note,
    parse,
)
from jobmgrd.jobs.job import Job
from jobmgrd.jobs.outcome import Outcome
from protocol import jobid, jobspec
from protocol.errors import FormatError
from protocol.job import Result

SPEC = jobspec.from_command(["true"])
ID = 0x1234567890


def ended(*events: str, status: int = 0, exception: str = "exec") -> Job:
    """A job that went through these events, between its submit and its end."""
    job = Job(ID, jobspec.parse(SPEC), b"{}")
    contexts: dict[str, dict[str, object]] = {
        "submit": {"userid": 1, "urgency": 16, "flags": 0},
        "priority": {"priority": 16},
        "finish": {"status": status},
        "exception": {"type": exception, "severity": 0, "note": ""},
    }
    for n, name in enumerate(("submit", "validate", "depend", *events, "clean"), start=1):
        job.apply(float(n), name, contexts.get(name))
    return job


COMPLETED = ended("priority", "alloc", "start", "finish")
FAILED = ended("priority", "alloc", "start", "finish", status=256)
KILLED = ended("priority", "alloc", "start", "exception", "finish", status=9)
EXPIRED = ended("priority", "alloc", "start", "exception", "finish", exception="timeout")
NOT_STARTED = ended("priority", "alloc", "exception")
CANCELED = ended("priority", "exception", exception="cancel")
LATE = ended("priority", "alloc", "start", "finish", "exception", status=256)
"""An exception in CLEANUP: it was not what ended it."""


@pytest.mark.parametrize(
    ("scheme", "met_by"),
    [
        ("after", [COMPLETED, FAILED, KILLED, EXPIRED, LATE]),
        ("afterstart", [COMPLETED, FAILED, KILLED, EXPIRED, LATE]),
        ("afterany", [COMPLETED, FAILED, KILLED, EXPIRED, NOT_STARTED, CANCELED, LATE]),
        ("afterok", [COMPLETED]),
        ("afternotok", [FAILED, KILLED, EXPIRED, NOT_STARTED, LATE]),
        ("afterexcept", [KILLED, EXPIRED, NOT_STARTED]),
    ],
)
def test_a_scheme_is_met_by_the_ends_that_flux_core_says(scheme: str, met_by: list[Job]) -> None:
    """dependency-after.c: all but afterany need resources to have been allocated."""
    after = After(scheme, "f1", ID)
    ends = [COMPLETED, FAILED, KILLED, EXPIRED, NOT_STARTED, CANCELED, LATE]
    assert [job for job in ends if never(after, Outcome.of(job.result, job.fate)) is None] == met_by


@pytest.mark.parametrize(
    ("scheme", "met_by"),
    [
        ("afterstart", [Result.COMPLETED, Result.FAILED, Result.TIMEOUT]),
        ("afterany", [Result.COMPLETED, Result.FAILED, Result.CANCELED, Result.TIMEOUT]),
        ("afterok", [Result.COMPLETED]),
        ("afternotok", [Result.FAILED, Result.TIMEOUT]),
        ("afterexcept", [Result.TIMEOUT]),
    ],
)
def test_a_job_without_a_fate_meets_what_its_result_proves(
    scheme: str, met_by: list[Result]
) -> None:
    """Purged before stores kept one. What is not known any more meets nothing."""
    after = After(scheme, "f1", ID)
    assert [r for r in Result if never(after, Outcome.of(r, None)) is None] == met_by


@pytest.mark.parametrize(
    ("scheme", "job", "note"),
    [
        ("afterok", FAILED, "after-success=f1 can never be satisfied: job f1 failed or was"),
        ("afternotok", COMPLETED, "after-failure=f1 can never be satisfied: job f1 succeeded"),
        ("afterexcept", FAILED, "after-except=f1 can never be satisfied: job f1 ended without"),
        ("afterok", CANCELED, "after-success=f1 job never started"),
        ("afterstart", NOT_STARTED, "after-start=f1 job never started"),
    ],
)
def test_a_note_says_why_a_dependency_is_never_met(scheme: str, job: Job, note: str) -> None:
    """It begins as flux-core's does."""
    after = After(scheme, "f1", ID)
    text = never_note(after, never(after, Outcome.of(job.result, job.fate)))
    assert text is not None
    assert text.startswith(f"dependency {note}")


@pytest.mark.parametrize("spelling", ["dec", "hex", "dothex", "f58", "f58plain", "kvs"])
def test_a_target_is_named_in_any_spelling(spelling: jobid.Spelling) -> None:
    """RFC 19; the description keeps it as it was written."""
    value = jobid.encode(ID, spelling)
    after = parse({"scheme": "afterok", "value": value})
    assert isinstance(after, After)
    assert after.target == ID
    assert after.description == f"after-success={value}"


@pytest.mark.parametrize(
    ("scheme", "value", "description"),
    [
        ("after", "f1", "after-start=f1"),
        ("afterany", "f1", "after-finish=f1"),
        ("afternotok", "f1", "after-failure=f1"),
        ("afterexcept", "f1", "after-except=f1"),
        ("begin-time", "1552594348", "begin-time=1552594348.000"),
        ("begin-time", "1.5e9", "begin-time=1500000000.000"),
        ("begin-time", ".25", "begin-time=0.250"),
        ("singleton", "", "singleton"),
        ("maintenance", "june", "maintenance=june"),
        ("maintenance", "", "maintenance"),
    ],
)
def test_a_description_is_spelled_as_flux_core_does(
    scheme: str, value: str, description: str
) -> None:
    """RFC 21's dependency-add; the last two are a plugin's."""
    assert parse({"scheme": scheme, "value": value}).description == description


def test_each_scheme_has_its_kind() -> None:
    """And what nobody knows is left to plugins, with all its keys."""
    assert parse({"scheme": "begin-time", "value": "7"}) == BeginTime(7.0)
    assert parse({"scheme": "singleton", "value": ""}) == Singleton()
    given = {"scheme": "string", "value": "x", "type": "out"}
    assert parse(given) == Foreign("string", "x", given)


@pytest.mark.parametrize(
    ("scheme", "value", "text"),
    [
        ("afterok", "bar", 'dependency: afterok: "bar" is not a valid jobid'),
        ("afterany", "-1", 'dependency: afterany: "-1" is not a valid jobid'),
        ("after", "", 'dependency: after: "" is not a valid jobid'),
        *(
            ("begin-time", value, f"Invalid begin-time={value}")
            for value in ("", "soon", "-1", "nan", "inf", "1e400", "1_0", "٣", "1e13", " 1")
        ),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(scheme: str, value: str, text: str) -> None:
    """In flux-core's words."""
    with pytest.raises(FormatError, match=f"^{text}$"):
        parse({"scheme": scheme, "value": value})
