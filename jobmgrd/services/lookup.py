"""What to say of a job that is not active: inactive, purged, or never seen."""

import errno
from datetime import UTC, datetime
from typing import Final, NoReturn

from jobmgrd.engine import Engine
from jobmgrd.jobs.job import Job
from jobmgrd.router import TellingError
from jobmgrd.store.port import InactiveRow, Store, Tombstone
from protocol.errors import RpcError
from protocol.job import Result, State
from protocol.message import Cred

UNKNOWN_JOB: Final = "unknown job"
INACTIVE: Final = "job is inactive"


def active_job(engine: Engine, id: int) -> Job | None:
    """The job with this id while it is active; None once it is clean, durable or not."""
    job = engine.jobs.get(id)
    return None if job is None or job.state is State.INACTIVE else job


async def refuse(
    store: Store,
    id: int,
    *,
    unknown: str = UNKNOWN_JOB,
    errnum: int = errno.ENOENT,
    inactive: int | None = None,
) -> NoReturn:
    """Refuse a request that needs an active job, saying what became of this one.

    Raises:
        RpcError: `inactive`, by default `errnum`, and "job is inactive"; `errnum` and `unknown` for
            a job never seen; ENOENT for one that was purged, with when and why.
    """
    found = await store.find(id)
    if isinstance(found, InactiveRow):
        raise RpcError(errnum if inactive is None else inactive, INACTIVE)
    raise missing(found, unknown, errnum)


def missing(tombstone: Tombstone | None, unknown: str, errnum: int = errno.ENOENT) -> RpcError:
    """The error for a job that is not kept: its text begins with `unknown`, as Flux's does."""
    if tombstone is None:
        return RpcError(errnum, unknown)
    ended = Result(tombstone.result).name.lower()
    return TellingError(
        errno.ENOENT,
        f"{unknown}: it was purged at {written(tombstone.t_purged)} by {tombstone.reason}"
        f" (seq {tombstone.seq}; the job had {ended})",
        RpcError(errnum, unknown),
    )


def written(t: float) -> str:
    """A UNIX time as people read it in a text of ours, in UTC (RFC 3339)."""
    return datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def authorize(cred: Cred, userid: int, text: str) -> None:
    """Let the owner, and the user whose job it is, go on.

    Raises:
        RpcError: EPERM with this text, for everybody else.
    """
    if not cred.is_owner and cred.userid != userid:
        raise RpcError(errno.EPERM, text)
