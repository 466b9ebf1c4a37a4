"""What job-info may show of a job: its record, durable, and only to whom it belongs."""

import errno
from typing import Final

from jobmgrd.engine import Engine
from jobmgrd.jobs.job import Job
from jobmgrd.services.lookup import authorize, missing
from jobmgrd.store.port import ActiveRow, InactiveRow, Store
from protocol import eventlog
from protocol.errors import RpcError
from protocol.message import Cred

UNKNOWN: Final = RpcError(errno.ENOENT, "invalid job id")
NOT_ALLOWED: Final = "access is restricted to job/instance owner"


async def find(engine: Engine, store: Store, id: int, cred: Cred) -> ActiveRow | InactiveRow:
    """The record of a job, active or not.

    Raises:
        RpcError: ENOENT for a job never seen or purged, and then with when and why; EPERM.
    """
    job = visible(engine, id, cred)
    if job is not None:
        return durable(job)
    found = await store.find(id)
    if not isinstance(found, InactiveRow):
        raise missing(found, UNKNOWN.text, cred=cred)
    authorize(cred, found.userid, NOT_ALLOWED, UNKNOWN)
    return found


def visible(engine: Engine, id: int, cred: Cred) -> Job | None:
    """The job, if it is active.

    Raises:
        RpcError: EPERM; ENOENT for a job that is not durable yet, so that nobody was told its id.
    """
    job = engine.jobs.get(id)
    if job is not None:
        if not job.committed:
            raise RpcError(UNKNOWN.errnum, UNKNOWN.text)
        authorize(cred, job.userid, NOT_ALLOWED, UNKNOWN)
    return job


def durable(job: Job) -> ActiveRow:
    """What is durable of an active job."""
    entries = job.entries[: job.committed]
    allocated = any(eventlog.decode_line(line).name == "alloc" for line in entries)
    R = job.R if allocated else None
    return ActiveRow(job.id, job.userid, job.jobspec_json, R, b"".join(entries))


def value_not_found(key: str) -> RpcError:
    """The error for a key that a job does not have (flux-core job-info/lookup.c)."""
    return RpcError(errno.ENOENT, f"{key}: key not found")
