"""job-ingest: check a job request whole, give it an id, take it in."""

import asyncio
import errno
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from jobmgrd.call import Call
from jobmgrd.engine import Engine
from jobmgrd.router import Route
from protocol import jobid, signature
from protocol.errors import FormatError, RpcError
from protocol.job import URGENCY_DEFAULT, URGENCY_MAX, URGENCY_MIN, Flag
from protocol.job_manager import SubmitReply, SubmitRequest
from protocol.jobspec import Jobspec, decode, parse

KNOWN_FLAGS: Final = int(Flag.DEBUG | Flag.WAITABLE | Flag.NOVALIDATE)


class JobIngest:
    """Ids are FLUIDs that go on from the highest ever given, by a clock that never goes back.

    Args:
        engine: takes the jobs.
        monotonic: that clock, in seconds.
        owner: whose processes jobs are; jobs of others may only be simulated.
    """

    def __init__(self, engine: Engine, monotonic: Callable[[], float], owner: int) -> None:
        self._engine = engine
        self._monotonic = monotonic
        self._owner = owner
        self._ids = jobid.Generator(after=engine.max_jobid)
        self._epoch = monotonic() - jobid.timestamp(engine.max_jobid) / 1000

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [Route("job-ingest.submit", SubmitRequest, self.submit)]

    def submit(self, call: Call, request: SubmitRequest) -> "asyncio.Future[SubmitReply]":
        """Take a job in; answered once it is durable."""
        userid = call.cred.userid
        self._check_urgency(call, request.urgency)
        if request.flags & Flag.WAITABLE and not call.cred.is_owner:
            raise RpcError(
                errno.EINVAL, "only the instance owner can submit with FLUX_JOB_WAITABLE"
            )
        if request.flags & ~KNOWN_FLAGS:
            raise RpcError(
                errno.EPROTO, f"unknown submit flags: 0x{request.flags & ~KNOWN_FLAGS:x}"
            )
        try:
            jobspec, text = _jobspec(request, userid)
            self._engine.scheduler.check(jobspec)
        except FormatError as error:
            raise RpcError(errno.EINVAL, str(error)) from error
        if userid != self._owner and jobspec.test is None:
            raise RpcError(errno.EPERM, "jobmgrd runs processes as its owner alone")
        return self._engine.submit(
            self._ids.next(int((self._monotonic() - self._epoch) * 1000)),
            jobspec,
            text,
            userid=userid,
            urgency=request.urgency,
            flags=request.flags,
        )

    def _check_urgency(self, call: Call, urgency: int) -> None:
        if not URGENCY_MIN <= urgency <= URGENCY_MAX:
            raise RpcError(errno.EINVAL, "urgency value is out of range")
        if urgency > URGENCY_DEFAULT and not call.cred.is_owner:
            raise RpcError(errno.EINVAL, "only the instance owner can submit with urgency >16")


def _jobspec(request: SubmitRequest, userid: int) -> tuple[Jobspec, bytes]:
    """The checked jobspec, and its JSON as it will be kept."""
    if request.J is not None:
        claimed, text = signature.unwrap(request.J)
        if claimed != userid:
            raise RpcError(errno.EPERM, f"J is signed by user {claimed}, not {userid}")
        return decode(text), text
    if request.jobspec is None:
        raise RpcError(errno.EPROTO, "missing required key 'jobspec' (or 'J')")
    return parse(request.jobspec), msgspec.json.encode(request.jobspec)
