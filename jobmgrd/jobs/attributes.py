"""What can be asked of a job by name (RFC 43): a table of attribute -> how to tell it from a job.

An attribute that a job does not have yet (an end, an exception) is left out, as job-list does.
"""

import errno
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from jobmgrd.jobs.job import Job
from jobmgrd.jobs.times import expiration, when
from protocol import hostlist, idset, resource_set
from protocol.errors import RpcError
from protocol.job import State

ANNOTATIONS: Final = "annotations"
"""The attribute that the scheduler has a say in."""


def attributes(job: Job, names: Iterable[str]) -> dict[str, Any]:
    """The id and the named attributes of a job; those that it does not have are left out.

    Raises:
        KeyError: an attribute that does not exist.
    """
    found = {"id": job.id}
    for name in names:
        value = ATTRIBUTES[name](job)
        if value is not None:
            found[name] = value
    return found


def check_names(names: Iterable[str]) -> None:
    """Refuse an attribute that does not exist.

    Raises:
        RpcError: EINVAL, naming it, in job-list's words.
    """
    for name in names:
        if name not in ATTRIBUTES:
            raise RpcError(errno.EINVAL, f"{name} is not a valid attribute")


def _ranks(job: Job) -> str | None:
    return idset.format([rank.rank for rank in job.ranks]) if job.ranks else None


def _nodelist(job: Job) -> str | None:
    return hostlist.format(rank.host for rank in job.ranks) if job.ranks else None


def annotations(job: Job) -> dict[str, Any] | None:
    """What users noted, and what the scheduler says: why a job is pending, or where it runs."""
    found: dict[str, Any] = {}
    memo = job.memo if job.noted is None or job.state is State.INACTIVE else job.noted
    if memo:
        found["user"] = memo
    if job.sched is not None:
        found["sched"] = job.sched
    elif job.has_resources and job.ranks:
        found["sched"] = {"resource_summary": resource_set.summary(job.ranks)}
    return found or None


def _ended(job: Job) -> bool:
    return job.state is State.INACTIVE


def _exception(job: Job, field: int) -> Any:  # noqa: ANN401 - type and note are str, severity int
    return job.exception[field] if job.exception and _ended(job) else None


ATTRIBUTES: Final[Mapping[str, Callable[[Job], Any]]] = {
    "id": lambda job: job.id,
    "userid": lambda job: job.userid,
    "urgency": lambda job: job.urgency,
    "priority": lambda job: job.priority if when(job, "t_sched") else None,
    "t_submit": lambda job: job.t_submit,
    "t_depend": lambda job: job.t_depend or None,
    "t_priority": lambda job: when(job, "t_priority") or None,
    "t_sched": lambda job: when(job, "t_sched") or None,
    "t_run": lambda job: job.t_run or None,
    "t_cleanup": lambda job: job.t_cleanup or None,
    "t_inactive": lambda job: job.t_clean or None,
    "state": lambda job: int(job.state),
    "name": lambda job: job.jobspec.name,
    "cwd": lambda job: job.jobspec.cwd or None,
    "queue": lambda job: job.jobspec.queue or None,
    "project": lambda job: job.jobspec.project or None,
    "bank": lambda job: job.jobspec.bank or None,
    "ntasks": lambda job: job.jobspec.ntasks,
    "ncores": lambda job: sum(len(rank.cores) for rank in job.ranks) or job.jobspec.ncores,
    "duration": lambda job: job.jobspec.duration,
    "nnodes": lambda job: len(job.ranks) or job.jobspec.nodes or None,
    "ranks": _ranks,
    "nodelist": _nodelist,
    "success": lambda job: job.status == 0 and job.exception is None if _ended(job) else None,
    "exception_occurred": lambda job: job.exception is not None if _ended(job) else None,
    "exception_type": lambda job: _exception(job, 0),
    "exception_severity": lambda job: _exception(job, 1),
    "exception_note": lambda job: _exception(job, 2),
    "result": lambda job: int(job.result) if _ended(job) else None,
    "expiration": expiration,
    "waitstatus": lambda job: job.status,
    "dependencies": lambda job: list(job.dependencies) or None,
    ANNOTATIONS: annotations,
}
