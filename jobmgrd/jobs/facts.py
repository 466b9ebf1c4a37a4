"""What each event changes of a job besides its state (RFC 21): a table of event -> change.

A change is given the job, the time of the event (UNIX time), and a context that has been checked.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from jobmgrd.jobs.outcome import STARTED, shell_status
from jobmgrd.jobs.updates import updated

if TYPE_CHECKING:
    from jobmgrd.jobs.job import Job

IMMUTABLE: Final = "immutable"
"""The name of the flag in a set-flags event."""


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """A memo with what a newer one says: objects are merged level by level.

    Null removes a key, as does an object that is empty then. Only objects
    within objects recurse, which a payload has few of (protocol.payload.MAX_DEPTH).
    """
    result = dict(old)
    for key, value in new.items():
        if isinstance(value, Mapping):
            before = result.get(key)
            value = merged(before if isinstance(before, Mapping) else {}, value) or None  # noqa: PLW2901
        if value is None:
            result.pop(key, None)
        else:
            result[key] = value
    return result


def _submit(job: "Job", t: float, context: Mapping[str, Any]) -> None:
    job.t_submit = t
    job.userid = context["userid"]
    job.urgency = context["urgency"]
    job.flags = context["flags"]


def _urgency(job: "Job", _t: float, context: Mapping[str, Any]) -> None:
    job.urgency = context["urgency"]


def _jobspec_update(job: "Job", _t: float, context: Mapping[str, Any]) -> None:
    job.jobspec = updated(job.jobspec, context)


def _set_flags(job: "Job", _t: float, context: Mapping[str, Any]) -> None:
    job.immutable = job.immutable or IMMUTABLE in context["flags"]


def _priority(job: "Job", _t: float, context: Mapping[str, Any]) -> None:
    job.priority = context["priority"]


def _alloc(job: "Job", _t: float, _context: Mapping[str, Any]) -> None:
    job.has_resources = True


def _free(job: "Job", _t: float, _context: Mapping[str, Any]) -> None:
    job.has_resources = False


def _start(job: "Job", _t: float, _context: Mapping[str, Any]) -> None:
    job.start_asked = job.started = True
    job.fate |= STARTED


def _finish(job: "Job", _t: float, context: Mapping[str, Any]) -> None:
    job.status = context["status"]


def _prolog_start(job: "Job", _t: float, _context: Mapping[str, Any]) -> None:
    job.perilog = "prolog"


def _prolog_finish(job: "Job", t: float, _context: Mapping[str, Any]) -> None:
    job.perilog = None
    job.prolog_done = True
    job.t_ready = t


def _epilog_start(job: "Job", _t: float, _context: Mapping[str, Any]) -> None:
    job.perilog = "epilog"


def _epilog_finish(job: "Job", _t: float, _context: Mapping[str, Any]) -> None:
    job.perilog = None
    job.epilog_done = True


def _memo(job: "Job", _t: float, context: Mapping[str, Any]) -> None:
    job.memo = merged(job.memo, context)
    if job.noted is not None:
        job.noted = merged(job.noted, context)


def _dependency_add(job: "Job", _t: float, context: Mapping[str, Any]) -> None:
    job.dependencies[context["description"]] = None


def _dependency_remove(job: "Job", _t: float, context: Mapping[str, Any]) -> None:
    job.dependencies.pop(context["description"], None)


def _annotations(job: "Job", _t: float, context: Mapping[str, Any]) -> None:
    """Only the journal tells of these: a follower takes them from there."""
    found = context["annotations"] or {}
    job.sched, job.noted = found.get("sched"), found.get("user", {})


def _exception(job: "Job", _t: float, context: Mapping[str, Any]) -> None:
    if context["severity"] == 0 and job.exception is None:
        job.exception = (context["type"], 0, context.get("note", ""))
        if "wait_status" in context:
            job.exception_status = shell_status(context["wait_status"])


FACTS: Final = {
    "submit": _submit,
    "dependency-add": _dependency_add,
    "dependency-remove": _dependency_remove,
    "urgency": _urgency,
    "jobspec-update": _jobspec_update,
    "set-flags": _set_flags,
    "priority": _priority,
    "alloc": _alloc,
    "prolog-start": _prolog_start,
    "prolog-finish": _prolog_finish,
    "epilog-start": _epilog_start,
    "epilog-finish": _epilog_finish,
    "free": _free,
    "start": _start,
    "finish": _finish,
    "memo": _memo,
    "annotations": _annotations,
    "exception": _exception,
}
