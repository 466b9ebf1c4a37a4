"""Jobs <-> rows: what of a job is kept while it is active, and once it is inactive."""

from typing import Final

from jobmgrd.jobs import job as domain
from jobmgrd.jobs.job import Job
from jobmgrd.jobs.times import when
from jobmgrd.store import listed
from jobmgrd.store.port import ActiveRow, InactiveRow
from protocol import jobspec
from protocol.errors import FormatError
from protocol.job import State


def active(job: Job) -> ActiveRow:
    """The row of an active job."""
    return ActiveRow(job.id, job.userid, job.jobspec_json, job.R, job.eventlog)


def replay(row: ActiveRow | InactiveRow) -> Job:
    """The job that a row keeps.

    Raises:
        FormatError: jobspec, R or eventlog cannot be read, or a value is not of its type: a store
            takes what it is given, and others than the daemon may have written to its file.
    """
    for name, type_ in _TYPES.items():
        value = getattr(row, name)
        if not isinstance(value, type_):
            raise FormatError(f"{name}: a value of the wrong type ({type(value).__name__})")
    spec = jobspec.decode(row.jobspec)
    try:
        return domain.replay(row.id, spec, row.jobspec, row.R, row.eventlog)
    except RecursionError:
        raise FormatError("eventlog: nested too deeply") from None


_TYPES: Final = {
    "id": int,
    "userid": int,
    "jobspec": bytes,
    "R": bytes | None,
    "eventlog": bytes,
}


def recover(row: ActiveRow) -> Job:
    """The job that an active row keeps.

    Raises:
        FormatError: as `replay`, or it has ended.
    """
    job = replay(row)
    if job.state is State.INACTIVE:
        raise FormatError("eventlog has a clean event, and the job is kept as active")
    return job


def inactive(job: Job, rule: int) -> InactiveRow:
    """The row of a job that has ended, in a retention class."""
    return InactiveRow(
        id=job.id,
        userid=job.userid,
        urgency=job.urgency,
        priority=job.priority,
        t_submit=job.t_submit,
        t_run=job.t_run,
        t_cleanup=job.t_cleanup,
        t_clean=job.t_clean,
        result=int(job.result),
        status=-1 if job.status is None else job.status,
        name=job.jobspec.name,
        queue=job.jobspec.queue,
        rule=rule,
        jobspec=job.jobspec_json,
        R=job.R,
        eventlog=job.eventlog,
        t_depend=job.t_depend,
        t_priority=when(job, "t_priority"),
        t_sched=when(job, "t_sched"),
        attrs=listed.encode(job),
        fate=job.fate,
    )
