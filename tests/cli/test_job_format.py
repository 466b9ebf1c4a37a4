"""Formats of job listings: fields, specifications, marks, sorting, and what they say of a job."""

import getpass
import os
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmgrd.cli.listing import formats
from jobmgrd.cli.listing.json_job import as_object
from jobmgrd.cli.listing.named_formats import FORMATS
from protocol.errors import FormatError
from protocol.job import Result, State

NOW = 20.0
NOON = 1_700_000_000.0


def job(**keys: Any) -> dict[str, Any]:  # noqa: ANN401
    """A pending job, with these attributes."""
    return {
        "id": 1234,
        "userid": os.getuid(),
        "name": "sleep",
        "state": int(State.SCHED),
        "ntasks": 2,
        "urgency": 16,
        "duration": 0.0,
    } | keys


def ended(result: Result, **keys: Any) -> dict[str, Any]:  # noqa: ANN401
    """A job that has ended."""
    times = {"t_run": 10.0, "t_cleanup": 12.5}
    known = {"state": int(State.INACTIVE), "result": int(result), "nnodes": 1, **times}
    return job(**(known | keys))


def line(text: str, attributes: dict[str, Any]) -> str:
    """What a format says of a job."""
    (written,) = formats.parse(text).lines([attributes], NOW)
    return written


def listing(text: str, *jobs: dict[str, Any]) -> list[str]:
    """What a format says of jobs, with its heading."""
    form = formats.parse(text)
    ordered = form.sorted(jobs, NOW)
    form = form.fitted(ordered, NOW, heading=True)
    return [form.heading(), *form.lines(ordered, NOW)]


def test_the_default_has_the_columns_of_flux_jobs() -> None:
    """Ids and numbers to the right, names to the left, a long name cut with a +."""
    done = ended(Result.COMPLETED, name="simulations", waitstatus=0, nodelist="n1")
    heading, written = listing(FORMATS["default"].text, done)
    assert heading == "       JOBID USER     NAME       ST NTASKS NNODES     TIME INFO"
    user = getpass.getuser().ljust(8)
    assert written == f"         ƒNH {user} simulatio+ CD      2      1     2.5s n1"
    assert listing(FORMATS["default"].text, job())[1].endswith("S      2      -        -")


def test_the_cute_format_draws_the_status() -> None:
    """With flux-core's pictures."""
    lines = listing(FORMATS["cute"].text, job(), ended(Result.FAILED), ended(Result.TIMEOUT))
    drawn = zip(lines[1:], "📅💩⌛", strict=True)
    assert all(picture in line for line, picture in drawn)


@pytest.mark.parametrize("name", FORMATS)
def test_every_named_format_can_show_any_job(name: str) -> None:
    """Whatever is unknown of a job, its line can be written."""
    jobs = [job(), *(ended(result) for result in Result), job(state=int(State.DEPEND))]
    assert len(listing(FORMATS[name].text, *jobs)) == 1 + len(jobs)


@pytest.mark.parametrize(
    ("state", "result", "letters"),
    [
        (State.DEPEND, None, "D"),
        (State.PRIORITY, None, "P"),
        (State.SCHED, None, "S"),
        (State.RUN, None, "R"),
        (State.CLEANUP, None, "C"),
        (State.INACTIVE, Result.COMPLETED, "CD"),
        (State.INACTIVE, Result.FAILED, "F"),
        (State.INACTIVE, Result.CANCELED, "CA"),
        (State.INACTIVE, Result.TIMEOUT, "TO"),
    ],
)
def test_status_is_the_state_then_the_result(
    state: State, result: Result | None, letters: str
) -> None:
    """The letters, and the names, of flux-jobs(1)."""
    attributes = job(state=int(state)) | ({} if result is None else {"result": int(result)})
    assert line("{status_abbrev}", attributes) == letters
    assert line("{status}", attributes) == (result.name if result is not None else state.name)


@pytest.mark.parametrize(
    ("attributes", "info", "reason"),
    [
        (job(), "", ""),
        (job(urgency=0), "held", ""),
        (job(priority=0), "priority-hold", ""),
        (job(state=4), "priority-wait", ""),
        (
            job(state=2, dependencies=["after-start=ƒ2", "singleton"]),
            "depends:after-start=ƒ2,singleton",
            "",
        ),
        (job(state=16, t_run=15.0, nodelist="n[1-2]"), "n[1-2]", ""),
        (ended(Result.COMPLETED, waitstatus=0, nodelist="n1"), "n1", "Exit 0"),
        (ended(Result.FAILED, waitstatus=7 << 8), "Exit 7", "Exit 7"),
        (ended(Result.FAILED, waitstatus=9), "Killed", "Killed"),
        (ended(Result.CANCELED, exception_note="why"), "Canceled: why", "Canceled: why"),
        (ended(Result.CANCELED), "Canceled", "Canceled"),
        (ended(Result.TIMEOUT), "Timeout", "Timeout"),
        (
            ended(Result.FAILED, exception_type="exec", exception_note="no x", waitstatus=32512),
            "Exception: type=exec note=no x",
            "Exception: type=exec note=no x",
        ),
    ],
    ids=str,
)
def test_info_says_where_or_why(attributes: dict[str, Any], info: str, reason: str) -> None:
    """A reason before the job runs, its nodes while it runs, and what went wrong after."""
    assert line("{info}", attributes) == info
    assert line("{inactive_reason}", attributes) == reason


@pytest.mark.parametrize(
    ("text", "attributes", "written"),
    [
        ("{id} {id.dec} {id.hex} {id.f58plain}", job(), "1234 1234 0x4d2 fNH"),
        ("{name:>8}|", job(), "   sleep|"),
        ("{name:_^9}|", job(), "__sleep__|"),
        ("{name:<3.3+}|", job(), "sl+|"),
        ("{ntasks:04d}", job(), "0002"),
        ("{nnodes:>4d}|", job(), "    |"),
        ("{nnodes:>4h}|", job(), "   -|"),
        ("{runtime:.3f}", ended(Result.COMPLETED), "2.500"),
        ("{runtime!F:>6}", ended(Result.COMPLETED), "  2.5s"),
        ("{runtime!F:>6h}", job(), "     -"),
        ("{runtime!H}", ended(Result.COMPLETED), "0:00:02"),
        ("{runtime!H:h}", job(), "-"),
        ("{runtime!P}", job(state=16, t_run=19.985), "1.5%"),
        ("{t_run!d:%Y::>6}|", job(t_run=NOON), "  2023|"),
        ("{t_run!d:%Y::>6h}|", job(), "     -|"),
        ("{t_run!D:.10}", job(t_run=NOON), "2023-11-14"),
        ("{t_run!D}|", job(), "|"),
        ("{t_remaining!F}", job(state=16, t_run=10.0, expiration=80.0), "1m"),
        ("{contextual_time!F}", job(duration=90.0), "1.5m"),
        ("{contextual_time!F}", job(state=16, t_run=15.0), "5s"),
        ("{returncode}", ended(Result.FAILED, waitstatus=9), "-9"),
        ("{returncode}", ended(Result.CANCELED), "-128"),
        ("{success}", job(success=True), "True"),
        ("{exception.type}", ended(Result.FAILED, exception_type="exec"), "exec"),
        ("{user.a.b} {user.x}|", job(annotations={"user": {"a": {"b": 3}}}), "3 |"),
        ("{annotations}", job(annotations={"user": {"a": 1}}), '{"user": {"a": 1}}'),
        ("{{{name}}} {state_single}{result_abbrev}!", job(), "{sleep} S!"),
        ("{name!r}", job(), "'sleep'"),
    ],
)
def test_a_field_is_written_as_specified(
    text: str, attributes: dict[str, Any], written: str
) -> None:
    """Python's specifications, Flux's additions to them, and its conversions."""
    assert line(text, attributes) == written


@given(
    st.lists(
        st.sampled_from(
            [*"{}:!?+.<>=^-dDFHPhsrx%05 ", "sort:", "{id", "{name", "{t_run", "{runtime", "{user."]
        ),
        max_size=12,
    ).map("".join)
)
def test_any_text_is_a_format_or_is_refused(text: str) -> None:
    """Nothing but FormatError ever comes of it, whatever the job."""
    with suppress(FormatError):
        listing(text, job(), ended(Result.FAILED, waitstatus=9))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{nonsense}", "no field 'nonsense'"),
        ("{}", "no field ''"),
        ("{name.__class__}", "no field"),
        ("{name!x}", "no conversion !x"),
        ("{name:{ntasks}}", "no format specification"),
        ("{name", "invalid format"),
        ("{name:>99999}", "no format specification"),
        ("sort:nonsense {id}", "no field 'nonsense'"),
    ],
)
def test_a_format_that_cannot_be_is_refused(text: str, reason: str) -> None:
    """When it is read, with the reason."""
    with pytest.raises(FormatError, match=reason):
        formats.parse(text)


def test_a_specification_for_another_type_is_refused() -> None:
    """Once there is a value that it cannot write."""
    with pytest.raises(FormatError, match="invalid format: Unknown format code 'd'"):
        line("{name:d}", job())


def test_marks_leave_out_or_widen_columns() -> None:
    """?: leaves out what no job has, +: makes wide enough for all, ?+: does both."""
    long = job(name="a-long-name")
    assert listing("{id} ?:{queue:>8} {name}", job()) == ["JOBID NAME", "1234 sleep"]
    assert listing("?:{queue:>6} {id}", job(queue="q"))[1] == "     q 1234"
    assert listing("+:{name:<4.4}|", job(), long) == [
        "NAME       |",
        "sleep      |",
        "a-long-name|",
    ]
    assert listing("{id} ?+:{queue:>2}", job()) == ["JOBID", "1234"]
    assert listing("?+:{queue:>2}|", job(queue="batch"))[1] == "batch|"


def test_jobs_are_sorted_by_keys() -> None:
    """Several keys, reversed by a hyphen; what is unset comes first, numbers before text."""
    jobs = [job(id=1, nnodes=10), job(id=2), job(id=3, nnodes=9), job(id=4, nnodes=10)]
    assert listing("sort:nnodes,-id {id}", *jobs)[1:] == ["2", "3", "4", "1"]
    assert listing("sort:-nnodes {id}", *jobs)[1:] == ["1", "4", "3", "2"]
    assert listing("sort:id{id}", *jobs)[1:] == ["1", "2", "3", "4"]


def test_control_characters_of_a_name_do_not_reach_the_terminal() -> None:
    """A job's name is whatever its owner chose."""
    assert line("{name:<20}|", job(name="\x1b[2J")) == "\\x1b[2J             |"


def test_ten_thousand_lines_take_less_than_a_second() -> None:
    """Of processor time, so that a busy machine does not matter."""
    jobs = [ended(Result.COMPLETED, id=n, waitstatus=0, nodelist="n1") for n in range(10_000)]
    begin = time.process_time()
    assert len(listing(FORMATS["default"].text, *jobs)) == 10_001
    assert time.process_time() - begin < 1.0


def test_json_has_the_keys_of_flux_jobs() -> None:
    """Names for numbers, what follows from attributes; nothing that is not known."""
    failed = as_object(
        ended(Result.FAILED, waitstatus=256, exception_occurred=True, exception_type="x"), NOW
    )
    expected = {
        "state": "INACTIVE",
        "status": "FAILED",
        "result": "FAILED",
        "returncode": 1,
        "runtime": 2.5,
        "jobid": "ƒNH",
        "id": 1234,
        "username": getpass.getuser(),
        "exception": {"occurred": True, "type": "x"},
    }
    assert failed | expected == failed
    pending = as_object(job(), NOW)
    assert not {"result", "returncode", "runtime", "dependencies"} & pending.keys()
