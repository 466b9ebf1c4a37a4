"""What to say of a job that is not active: inactive, purged, or never seen."""

import errno
from datetime import UTC, datetime
from typing import Final, NoReturn

from jobmgrd.engine import Engine
from jobmgrd.jobs.job import Job
from jobmgrd.routes import TellingError
from jobmgrd.store.port import InactiveRow, Store, Tombstone
from protocol.errors import RpcError
from protocol.job import Result, State
from protocol.message import Cred

UNKNOWN_JOB: Final = "unknown job"
UNKNOWN_ID: Final = RpcError(errno.ENOENT, "unknown job id")
INACTIVE: Final = "job is inactive"
TIME_MAX: Final = 253_402_300_799.0
"""The last second of the year 9999."""


def active_job(engine: Engine, id: int) -> Job | None:
    """The job with this id while it is active; None once it is clean, durable or not."""
    job = engine.jobs.get(id)
    return None if job is None or job.state is State.INACTIVE else job


async def refuse(
    store: Store,
    id: int,
    cred: Cred,
    unknown: RpcError = UNKNOWN_ID,
    *,
    inactive: int | None = None,
) -> NoReturn:
    """Refuse a request that needs an active job, saying what became of this one.

    Raises:
        RpcError: "job is inactive", with the errnum `inactive`, by default that of `unknown`;
            `unknown` for a job never seen; ENOENT for one that was purged, with when and why. To
            a guest in private mode, the jobs of others were never seen.
    """
    found = await store.find(id)
    if not isinstance(found, InactiveRow):
        raise missing(found, unknown.text, unknown.errnum, cred)
    errnum = unknown.errnum if inactive is None else inactive
    raise _telling(found.userid, cred, RpcError(errnum, INACTIVE), unknown)


def missing(
    tombstone: Tombstone | None,
    unknown: str,
    errnum: int = errno.ENOENT,
    cred: Cred | None = None,
) -> RpcError:
    """The error for a job that is not kept: its text begins with `unknown`, as Flux's does."""
    plain = RpcError(errnum, unknown)
    if tombstone is None:
        return plain
    ended = Result(tombstone.result).name.lower()
    text = (
        f"{unknown}: it was purged at {written(tombstone.t_purged)} by {tombstone.reason}"
        f" (seq {tombstone.seq}; the job had {ended})"
    )
    return _telling(tombstone.userid, cred, RpcError(errno.ENOENT, text), plain)


def _telling(userid: int | None, cred: Cred | None, error: RpcError, plain: RpcError) -> RpcError:
    """An error that is for those who may know of a user's jobs."""
    if cred is not None and cred.userid == userid:
        return error
    return TellingError(error.errnum, error.text, plain)


def written(t: float) -> str:
    """A UNIX time as people read it in a text of ours, in UTC (RFC 3339), which ends with 9999."""
    return datetime.fromtimestamp(min(t, TIME_MAX), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def check_room(engine: Engine, job: Job) -> None:
    """Let a client add an event to a job, unless there are many: they are kept in memory.

    Raises:
        RpcError: ENOSPC.
    """
    if sum(map(len, job.entries)) >= engine.guard.limits.eventlog:
        raise engine.guard.refuse("eventlog")


def authorize(cred: Cred, userid: int, text: str, unknown: RpcError) -> None:
    """Let the owner, and the user whose job it is, go on.

    Raises:
        RpcError: EPERM with this text, for everybody else; `unknown` for guests in private mode.
    """
    if not cred.is_owner and cred.userid != userid:
        raise TellingError(errno.EPERM, text, unknown)
