"""What a format can say of a job: a table of field -> heading, attributes needed, value.

The names are those of flux-jobs(1). `info` is ours: the contextual_info of jobs that go well, and
of those that have not, why they ended.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, get_args

from jobmgrd.cli.job import ending
from jobmgrd.cli.submission.dependency import shown
from jobmgrd.cli.words.fsd import brief
from jobmgrd.cli.words.ids import spelled
from jobmgrd.cli.words.users import username
from protocol import jobid
from protocol.errors import FormatError
from protocol.job import URGENCY_HOLD, Result, State
from protocol.jobid import Spelling

Attributes = Mapping[str, Any]
"""Attributes of RFC 43 by name; those that a job does not have are not there."""


class Field(NamedTuple):
    """A heading, the attributes to ask for, and the value of a job at a time ("": none)."""

    heading: str
    attrs: tuple[str, ...]
    value: Callable[[Attributes, float], Any]


_STATES: Final = {
    State.NEW: "N",
    State.DEPEND: "D",
    State.PRIORITY: "P",
    State.SCHED: "S",
    State.RUN: "R",
    State.CLEANUP: "C",
    State.INACTIVE: "I",
}
_RESULTS: Final = {
    Result.COMPLETED: "CD",
    Result.FAILED: "F",
    Result.CANCELED: "CA",
    Result.TIMEOUT: "TO",
}
_STATE_EMOJI: Final = dict(zip(map(int, _STATES), "🎁🛑🚦📅🏃🗑💀", strict=True))
_RESULT_EMOJI: Final = dict(zip(map(int, _RESULTS), "😀💩💥⌛", strict=True))
_PENDING: Final = int(State.PENDING)  # a number: masks of IntFlag are slow
_STATE_NAMES: Final = {int(state): state.name or "" for state in _STATES}
_STATE_LETTERS: Final = {int(state): letter for state, letter in _STATES.items()}
_RESULT_NAMES: Final = {int(result): result.name for result in Result}
_RESULT_LETTERS: Final = {int(result): letters for result, letters in _RESULTS.items()}

STATUS_ATTRS: Final = ("state", "result")
_ANNOTATIONS: Final = {
    "annotations.": "",
    "sched.": "sched.",
    "user.": "user.",
}
"""Beginnings of fields that go on with any path, and where that is in the annotations."""
_ANNOTATION_HEADINGS: Final = {
    "sched.t_estimate": "T_ESTIMATE",
    "sched.reason_pending": "REASON",
    "sched.resource_summary": "RESOURCES",
}


def find(name: str) -> Field:
    """The field of a name.

    Raises:
        FormatError: there is none.
    """
    if name in FIELDS:
        return FIELDS[name]
    for begin, place in _ANNOTATIONS.items():
        if name.startswith(begin) and name != begin:
            path = place + name.removeprefix(begin)
            heading = name.removeprefix("annotations.").upper()
            return _annotation(path, _ANNOTATION_HEADINGS.get(path, heading))
    raise FormatError(f"there is no field {name!r}")


def status(job: Attributes) -> str:
    """The state of an active job, the result of one that has ended."""
    if job["state"] == State.INACTIVE:
        return _RESULT_NAMES.get(job.get("result", 0), "")
    return _STATE_NAMES[job["state"]]


def status_abbrev(job: Attributes) -> str:
    """Two letters at most: D P S R C while active; CD F CA TO once ended."""
    if job["state"] == State.INACTIVE:
        return _RESULT_LETTERS.get(job.get("result", 0), "")
    return _STATE_LETTERS[job["state"]]


def status_emoji(job: Attributes) -> str:
    """The status as flux-core draws it."""
    if job["state"] == State.INACTIVE:
        return _RESULT_EMOJI.get(job.get("result", 0), "")
    return _STATE_EMOJI[job["state"]]


def state_name(job: Attributes) -> str:
    """The state in capitals."""
    return _STATE_NAMES[job["state"]]


def result_name(job: Attributes) -> str:
    """The result in capitals; "" before the end."""
    return _RESULT_NAMES.get(job.get("result", 0), "")


def runtime(job: Attributes, now: float) -> float:
    """Seconds from start to end, or so far; 0.0 before it."""
    begin: float = job.get("t_run", 0.0)
    return max(0.0, job.get("t_cleanup", now) - begin) if begin else 0.0


def dependencies(job: Attributes, now: float) -> str:
    """What it still waits for, with commas between."""
    return ",".join(shown(description, now) for description in job.get("dependencies", ()))


def _remaining(job: Attributes, now: float) -> float:
    if job["state"] != State.RUN or not job.get("expiration"):
        return 0.0
    return max(0.0, float(job["expiration"]) - now)


def _contextual_time(job: Attributes, now: float) -> float:
    if job["state"] & _PENDING:
        return float(job.get("duration", 0.0))
    return runtime(job, now)


def _why_pending(job: Attributes, now: float) -> str:
    """When it can start, or why that is not known; nothing if it only waits for others to end."""
    sched = job.get("annotations", {}).get("sched", {})
    if "t_estimate" in sched:
        left = sched["t_estimate"] - now
        return f"eta:{brief(left) if left > 0 else 'now'}"
    if job.get("urgency") == URGENCY_HOLD:
        return "held"
    if job.get("priority") == 0:
        return "priority-hold"
    reason = str(sched.get("reason_pending", ""))
    return "" if reason == _NO_ROOM else reason


def _contextual_info(job: Attributes, now: float) -> str:
    state = job["state"]
    if state == State.PRIORITY:
        return "priority-wait"
    if state == State.DEPEND:
        return f"depends:{dependencies(job, now)}"
    if state == State.SCHED:
        return _why_pending(job, now)
    return str(job.get("nodelist", ""))


def _info(job: Attributes, now: float) -> str:
    failed = job["state"] == State.INACTIVE and job.get("result") != Result.COMPLETED
    return ending.reason(job) if failed else _contextual_info(job, now)


def _own(name: str, heading: str = "", default: object = "") -> Field:
    """An attribute as it is."""
    return Field(heading or name.upper(), (name,), lambda job, _: job.get(name, default))


def _id(spelling: Spelling) -> Field:
    if spelling == "f58":
        return Field("JOBID", (), lambda job, _: spelled(job["id"]))
    return Field("JOBID", (), lambda job, _: jobid.encode(job["id"], spelling))


def _annotation(path: str, heading: str) -> Field:
    names = path.split(".") if path else []

    def value(job: Attributes, _now: float) -> object:
        found: Any = job.get("annotations", {})
        for name in names:
            found = found.get(name, "") if isinstance(found, Mapping) else ""
        return (json.dumps(found) if found else "") if isinstance(found, Mapping) else found

    return Field(heading, ("annotations",), value)


_INFO_ATTRS: Final = (
    "state",
    "dependencies",
    "nodelist",
    "priority",
    "urgency",
    "annotations",
)
_NO_ROOM: Final = "insufficient resources"
"""The reason that most pending jobs have."""

FIELDS: Final[Mapping[str, Field]] = {
    "id": Field("JOBID", (), lambda job, _: job["id"]),
    **{f"id.{spelling}": _id(spelling) for spelling in get_args(Spelling)},
    "userid": _own("userid", "UID"),
    "username": Field("USER", ("userid",), lambda job, _: username(job["userid"])),
    "urgency": _own("urgency", "URG"),
    "priority": _own("priority", "PRI"),
    "state": Field("STATE", ("state",), lambda job, _: state_name(job)),
    "state_single": Field("S", ("state",), lambda job, _: _STATE_LETTERS[job["state"]]),
    "state_emoji": Field("STATE", ("state",), lambda job, _: _STATE_EMOJI[job["state"]]),
    "name": _own("name"),
    "cwd": _own("cwd"),
    "queue": _own("queue"),
    "project": _own("project"),
    "bank": _own("bank"),
    "ntasks": _own("ntasks"),
    "ncores": _own("ncores"),
    "nnodes": _own("nnodes"),
    "duration": _own("duration", default=0.0),
    "expiration": _own("expiration", default=0.0),
    "t_remaining": Field("T_REMAINING", ("expiration", "state"), _remaining),
    "ranks": _own("ranks"),
    "nodelist": _own("nodelist"),
    "success": _own("success"),
    "result": Field("RESULT", ("result",), lambda job, _: result_name(job)),
    "result_abbrev": Field(
        "RS", ("result",), lambda job, _: _RESULT_LETTERS.get(job.get("result", 0), "")
    ),
    "result_emoji": Field(
        "RESULT", ("result",), lambda job, _: _RESULT_EMOJI.get(job.get("result", 0), "")
    ),
    **{
        f"t_{name}": _own(f"t_{name}", default=0.0)
        for name in ("submit", "depend", "priority", "sched", "run", "cleanup", "inactive")
    },
    "runtime": Field("RUNTIME", ("t_run", "t_cleanup"), runtime),
    "status": Field("STATUS", STATUS_ATTRS, lambda job, _: status(job)),
    "status_abbrev": Field("ST", STATUS_ATTRS, lambda job, _: status_abbrev(job)),
    "status_emoji": Field("STATUS", STATUS_ATTRS, lambda job, _: status_emoji(job)),
    "waitstatus": _own("waitstatus", "WSTATUS"),
    "returncode": Field("RC", ("waitstatus", "result"), lambda job, _: ending.returncode(job)),
    **{
        f"exception.{name}": _own(f"exception_{name}", f"EXCEPTION-{name.upper()}")
        for name in ("occurred", "severity", "type", "note")
    },
    "annotations": _annotation("", "ANNOTATIONS"),
    "sched": _annotation("sched", "SCHED"),
    "user": _annotation("user", "USER"),
    "uri": _annotation("user.uri", "URI"),
    "dependencies": Field("DEPENDENCIES", ("dependencies",), dependencies),
    "contextual_info": Field("INFO", _INFO_ATTRS, _contextual_info),
    "contextual_time": Field("TIME", ("state", "t_run", "t_cleanup", "duration"), _contextual_time),
    "inactive_reason": Field("INACTIVE-REASON", ending.ATTRS, lambda job, _: ending.reason(job)),
    "info": Field("INFO", (*_INFO_ATTRS, *ending.ATTRS), _info),
}
