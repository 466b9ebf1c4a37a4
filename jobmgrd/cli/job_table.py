"""Jobs as rows of text: the columns of flux-jobs(1)."""

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import click

from jobmgrd.cli.ids import spelled
from jobmgrd.cli.outcome import exit_code
from jobmgrd.cli.text_table import printable
from jobmgrd.cli.users import username
from protocol import duration
from protocol.job import URGENCY_HOLD, Result, State

ATTRS: Final = (
    "userid",
    "name",
    "state",
    "result",
    "ntasks",
    "nnodes",
    "duration",
    "t_run",
    "t_cleanup",
    "nodelist",
    "urgency",
    "waitstatus",
    "dependencies",
    "exception_type",
    "exception_note",
)
"""What the columns need to know of a job (RFC 43)."""

_STATES: Final = {
    State.NEW: "N",
    State.DEPEND: "D",
    State.PRIORITY: "P",
    State.SCHED: "S",
    State.RUN: "R",
    State.CLEANUP: "C",
}
_RESULTS: Final = {
    Result.COMPLETED: "CD",
    Result.FAILED: "F",
    Result.CANCELED: "CA",
    Result.TIMEOUT: "TO",
}
_COLORS: Final = {"R": "green", "C": "yellow", "F": "red", "TO": "red", "CA": "bright_black"}

Attributes = Mapping[str, Any]


class Column(NamedTuple):
    """A heading, a width (negative: to the right), and what to write of a job."""

    heading: str
    width: int
    text: Callable[[Attributes], str]


def status(job: Attributes) -> str:
    """Two letters at most: D P S R C while active; CD F CA TO once ended."""
    state = State(job["state"])
    return _RESULTS[Result(job["result"])] if state is State.INACTIVE else _STATES[state]


def lines(jobs: Sequence[Attributes], now: float) -> Sequence[str]:
    """A line for each job, colored by its status."""
    columns = _columns(now)
    return [_colored(_row(columns, job), status(job)) for job in jobs]


def heading() -> str:
    """The line above."""
    return " ".join(_fit(column.heading, column.width) for column in _columns(0.0)).rstrip()


def _columns(now: float) -> Sequence[Column]:
    return (
        Column("JOBID", -12, lambda job: spelled(job["id"])),
        Column("USER", 8, lambda job: username(job["userid"])),
        Column("NAME", 10, lambda job: job.get("name", "")),
        Column("ST", -2, status),
        Column("NTASKS", -6, lambda job: str(job.get("ntasks", "-"))),
        Column("NNODES", -6, lambda job: str(job.get("nnodes", "-"))),
        Column("TIME", -8, lambda job: _time(job, now)),
        Column("INFO", 0, _info),
    )


def _colored(line: str, letters: str) -> str:
    return click.style(line, fg=_COLORS[letters]) if letters in _COLORS else line


def _row(columns: Sequence[Column], job: Attributes) -> str:
    return " ".join(_fit(column.text(job), column.width) for column in columns).rstrip()


def _fit(text: str, width: int) -> str:
    """Pad to the width, or, to the right only, cut with a + as flux-jobs does; 0: as it is."""
    text = printable(text)
    if width <= 0:
        return text.rjust(-width)
    return text.ljust(width) if len(text) <= width else text[: width - 1] + "+"


def _time(job: Attributes, now: float) -> str:
    """How long the job ran so far; its time limit before it runs."""
    if "t_run" in job:
        return _brief(max(0.0, job.get("t_cleanup", now) - job["t_run"]))
    limit = job.get("duration", 0.0)
    return _brief(limit) if limit and job["state"] & State.PENDING else "-"


def _brief(seconds: float) -> str:
    """A duration in four digits: the column has room for no more."""
    return duration.format(float(f"{seconds:.4g}"))


def _info(job: Attributes) -> str:
    """Where it runs, what it waits for, or how it ended."""
    state = State(job["state"])
    if state is State.INACTIVE:
        return _ending(job)
    if state & State.RUNNING:
        return str(job.get("nodelist", ""))
    if state is State.DEPEND:
        return "depends:" + ",".join(
            f"{d.get('scheme')}:{d.get('value')}" for d in job.get("dependencies", ())
        )
    return "held" if job.get("urgency") == URGENCY_HOLD else ""


def _ending(job: Attributes) -> str:
    result, note = Result(job["result"]), job.get("exception_note", "")
    if result is Result.CANCELED:
        return f"Canceled: {note}" if note else "Canceled"
    if result is Result.TIMEOUT:
        return "Timeout"
    kind = job.get("exception_type")
    if kind is not None:
        return f"Exception: type={kind}" + (f" note={note}" if note else "")
    if "waitstatus" not in job:
        return ""
    if os.WIFSIGNALED(job["waitstatus"]):
        signum = os.WTERMSIG(job["waitstatus"])
        return signal.strsignal(signum) or f"Signal {signum}"
    return "" if result is Result.COMPLETED else f"Exit {exit_code(job['waitstatus'])}"
