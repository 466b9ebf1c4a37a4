"""A job as it is archived: all that is kept of it, as text that any tool can read."""

from msgspec import Struct

from jobmgrd.jobs.retention import DEFAULT
from jobmgrd.store.port import InactiveRow, Streams


class ArchivedJob(Struct, frozen=True):
    """A purged job. Times are UNIX time; 0.0 is "never". The archive's columns have this order."""

    id: int
    userid: int
    name: str
    queue: str
    urgency: int
    priority: int
    result: int  # protocol.job.Result
    status: int  # wait status of the finish event; -1 if the job never started
    t_submit: float
    t_run: float
    t_cleanup: float
    t_clean: float
    t_archived: float
    jobspec: str  # JSON as submitted (RFC 25)
    R: str | None  # JSON (RFC 20), if resources were allocated
    eventlog: str  # RFC 18 entries, a line each
    output: str  # RFC 24 entries, a line each; "" if there are none
    input: str = ""  # as well, of what was written to stdin


def archived(row: InactiveRow, streams: Streams, now: float) -> ArchivedJob:
    """What is archived at time `now` of an inactive job, its output and input."""
    return ArchivedJob(
        id=row.id,
        userid=row.userid,
        name=row.name,
        queue=row.queue,
        urgency=row.urgency,
        priority=row.priority,
        result=row.result,
        status=row.status,
        t_submit=row.t_submit,
        t_run=row.t_run,
        t_cleanup=row.t_cleanup,
        t_clean=row.t_clean,
        t_archived=now,
        jobspec=_text(row.jobspec),
        R=None if row.R is None else _text(row.R),
        eventlog=_text(row.eventlog),
        output=_text(streams.output),
        input=_text(streams.input),
    )


def inactive(job: ArchivedJob) -> InactiveRow:
    """The row that a job had before it was purged; its retention class is not archived."""
    return InactiveRow(
        id=job.id,
        userid=job.userid,
        urgency=job.urgency,
        priority=job.priority,
        t_submit=job.t_submit,
        t_run=job.t_run,
        t_cleanup=job.t_cleanup,
        t_clean=job.t_clean,
        result=job.result,
        status=job.status,
        name=job.name,
        queue=job.queue,
        rule=DEFAULT,
        jobspec=job.jobspec.encode(),
        R=None if job.R is None else job.R.encode(),
        eventlog=job.eventlog.encode(),
    )


def _text(data: bytes) -> str:
    """JSON as text. Bytes that are not UTF-8 must not hold up purging for ever, so they show."""
    return data.decode(errors="backslashreplace")
