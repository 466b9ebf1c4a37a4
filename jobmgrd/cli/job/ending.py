"""How a job ended: a code, as Flux has it, and a few words."""

import os
import signal
from collections.abc import Mapping
from typing import Any, Final

from jobmgrd.cli.job.outcome import exit_code
from protocol.job import Result, State

ATTRS: Final = ("state", "result", "waitstatus", "exception_type", "exception_note")
"""What `reason` needs to know."""

NEVER_RAN: Final = -128


def returncode(job: Mapping[str, Any]) -> int | str:
    """The exit code, or minus the signal; -128 if canceled before it ran, "" before the end."""
    if "waitstatus" in job:
        return os.waitstatus_to_exitcode(job["waitstatus"])
    result = job.get("result")
    if result == Result.CANCELED:
        return NEVER_RAN
    return 1 if result == Result.FAILED else ""


def reason(job: Mapping[str, Any]) -> str:
    """Why a job is no longer active; "" while it is."""
    if job["state"] != State.INACTIVE:
        return ""
    result, note = job.get("result"), job.get("exception_note", "")
    if result == Result.CANCELED:
        return f"Canceled: {note}" if note else "Canceled"
    if result == Result.TIMEOUT:
        return "Timeout"
    kind = job.get("exception_type")
    if kind is not None and result != Result.COMPLETED:
        return f"Exception: type={kind}" + (f" note={note}" if note else "")
    return _status(job["waitstatus"]) if "waitstatus" in job else ""


def _status(waitstatus: int) -> str:
    if os.WIFSIGNALED(waitstatus):
        signum = os.WTERMSIG(waitstatus)
        return signal.strsignal(signum) or f"Signal {signum}"
    return f"Exit {exit_code(waitstatus)}"
