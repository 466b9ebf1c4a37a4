"""Archived jobs as JSON lines: an object a job, its jobspec, R and eventlogs as JSON within."""

from collections.abc import Iterable
from typing import BinaryIO, Final

import msgspec
from msgspec import Raw

from jobmgrd.archive.record import ArchivedJob

_NULL: Final = Raw(b"null")


def as_json(job: ArchivedJob) -> bytes:
    """The job as one line without its newline; keys are ArchivedJob's fields.

    jobspec and R (or null) are objects, eventlog, output and input are lists of entries.
    """
    record = msgspec.structs.asdict(job)
    record["jobspec"] = _compact(job.jobspec)
    record["R"] = _NULL if job.R is None else _compact(job.R)
    record["eventlog"] = _entries(job.eventlog)
    record["output"] = _entries(job.output)
    record["input"] = _entries(job.input)
    return msgspec.json.encode(record)


def write_lines(jobs: Iterable[ArchivedJob], file: BinaryIO) -> int:
    """Write JSON lines; how many."""
    count = 0
    for count, job in enumerate(jobs, 1):  # noqa: B007 - the number of the last one
        file.write(as_json(job) + b"\n")
    return count


def _compact(text: str) -> Raw:
    """A JSON value on one line, however it was written."""
    return Raw(msgspec.json.format(text, indent=-1).encode())


def _entries(text: str) -> Raw:
    return Raw(b"[" + ",".join(text.rstrip("\n").split("\n")).encode() + b"]")
