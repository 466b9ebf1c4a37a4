"""The table of `jobmgr jobs`: columns, statuses and what INFO says."""

import getpass
import os
from typing import Any

import click
import pytest

from jobmgrd.cli.job_table import heading, lines, status
from protocol.job import Result, State


def job(**keys: Any) -> dict[str, Any]:  # noqa: ANN401
    """A pending job, with these attributes."""
    return {
        "id": 1234,
        "userid": os.getuid(),
        "name": "sleep",
        "state": State.SCHED,
        "ntasks": 2,
        "urgency": 16,
        "duration": 0.0,
    } | keys


def ended(result: Result, **keys: Any) -> dict[str, Any]:  # noqa: ANN401
    """A job that has ended."""
    return job(state=State.INACTIVE, result=result, t_run=10.0, t_cleanup=12.5, nnodes=1, **keys)


def info(attributes: dict[str, Any]) -> str:
    """The last column."""
    (line,) = lines([attributes], 20.0)
    return click.unstyle(line)[heading().index("INFO") :]


def test_a_line_has_the_columns_of_flux_jobs() -> None:
    """Ids and numbers to the right, names to the left, a long name cut with a +."""
    (line,) = lines([ended(Result.COMPLETED, name="simulation", waitstatus=0)], 20.0)
    assert heading() == ("       JOBID USER     NAME       ST NTASKS NNODES     TIME INFO")
    user = getpass.getuser()[:8].ljust(8)
    assert line == f"         ƒNH {user} simulation CD      2      1     2.5s"
    assert "simulatio+ " in lines([job(name="simulations")], 20.0)[0]


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
def test_status_letters(state: State, result: Result | None, letters: str) -> None:
    """The letters of flux-jobs(1)."""
    assert status(job(state=state, result=result)) == letters


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        (job(), ""),
        (job(urgency=0), "held"),
        (job(state=State.RUN, t_run=15.0, nodelist="n[1-2]"), "n[1-2]"),
        (ended(Result.COMPLETED, waitstatus=0), ""),
        (ended(Result.FAILED, waitstatus=7 << 8), "Exit 7"),
        (ended(Result.FAILED, waitstatus=9), "Killed"),
        (ended(Result.CANCELED, exception_note="why"), "Canceled: why"),
        (ended(Result.TIMEOUT), "Timeout"),
        (
            ended(Result.FAILED, exception_type="exec", exception_note="no x", waitstatus=127 << 8),
            "Exception: type=exec note=no x",
        ),
    ],
    ids=str,
)
def test_info_says_where_or_why(attributes: dict[str, Any], text: str) -> None:
    """INFO is a reason before the job runs, its nodes while it runs, and its end after."""
    assert info(attributes) == text


def test_control_characters_of_a_name_do_not_reach_the_terminal() -> None:
    """A job's name is whatever its owner chose."""
    assert "\x1b[2J" not in lines([job(name="\x1b[2J")], 20.0)[0]
