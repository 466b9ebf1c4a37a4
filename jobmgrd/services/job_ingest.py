"""job-ingest: check a job request whole, give it an id, take it in."""

import asyncio
import errno
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from jobmgrd.access import groups_of
from jobmgrd.call import Call
from jobmgrd.engine import Engine
from jobmgrd.jobs.job import Job
from jobmgrd.limits import UNLIMITED, Guard
from jobmgrd.routes import Route, Scope
from jobmgrd.services.active_jobs import ActiveJobs
from jobmgrd.services.dependencies import Dependencies
from jobmgrd.services.dependency_plan import Plan
from jobmgrd.services.plugins import Plugins
from protocol import jobid, signature
from protocol.errors import FormatError, RpcError
from protocol.job import URGENCY_DEFAULT, URGENCY_MAX, URGENCY_MIN, Flag
from protocol.job_manager import SubmitReply, SubmitRequest
from protocol.jobspec import Jobspec, decode, parse, set_attribute
from protocol.message import Cred

KNOWN_FLAGS: Final = int(Flag.DEBUG | Flag.WAITABLE | Flag.NOVALIDATE)


_WAITABLE: Final = int(Flag.WAITABLE)


class Taken(NamedTuple):
    """A job request that was checked."""

    jobspec: Jobspec
    text: bytes  # its JSON
    userid: int
    urgency: int
    flags: int

    def draft(self, id: int) -> Job:
        """The job that it would be."""
        job = Job(id, self.jobspec, self.text)
        job.userid, job.urgency, job.flags = self.userid, self.urgency, self.flags
        return job


class JobIngest:
    """Ids are FLUIDs that go on from the highest ever given, by a clock that never goes back.

    Args:
        engine: takes the jobs.
        dependencies: are told of jobs that wait for others.
        plugins: have a say, and are told of all jobs.
        monotonic: that clock, in seconds.
        owner: whose processes jobs are; jobs of others may only be simulated.
    """

    def __init__(
        self,
        engine: Engine,
        dependencies: Dependencies,
        plugins: Plugins,
        guard: Guard,
        monotonic: Callable[[], float],
        owner: int,
    ) -> None:
        self._engine = engine
        self._queues, self._scheduler = engine.allocator.queues, engine.allocator.scheduler
        self._dependencies = dependencies
        self._plugins = plugins
        self._guard = guard
        self._active = ActiveJobs(engine, guard)
        self._monotonic = monotonic
        self._owner = owner
        self._ids = jobid.Generator(after=engine.max_jobid)
        self._epoch = monotonic() - jobid.timestamp(engine.max_jobid) / 1000

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [Route("job-ingest.submit", SubmitRequest, self.submit, scope=Scope.OWN)]

    def submit(self, call: Call, request: SubmitRequest) -> Awaitable[SubmitReply]:
        """Take a job in; answered once it is durable."""
        userid = call.cred.userid
        self._check_urgency(call, request.urgency)
        if request.flags & Flag.WAITABLE and not call.cred.is_owner:
            raise RpcError(
                errno.EINVAL, "only the instance owner can submit with FLUX_JOB_WAITABLE"
            )
        if request.flags & Flag.NOVALIDATE and not call.cred.is_owner:
            raise RpcError(
                errno.EPERM, "only the instance owner can submit with FLUX_JOB_NOVALIDATE"
            )
        if request.flags & ~KNOWN_FLAGS:
            raise RpcError(
                errno.EPROTO, f"unknown submit flags: 0x{request.flags & ~KNOWN_FLAGS:x}"
            )
        try:
            jobspec, text = _jobspec(request, userid)
            if missing := self._queues.missing(jobspec):
                jobspec, text = _completed(text, missing)
            self._queues.check(jobspec, userid, groups_of)
            self._scheduler.check(jobspec)
        except FormatError as error:
            raise RpcError(errno.EINVAL, str(error)) from error
        if userid != self._owner and jobspec.test is None:
            raise RpcError(errno.EPERM, "jobmgrd runs processes as its owner alone")
        taken = Taken(jobspec, text, userid, request.urgency, request.flags)
        return self._take_dependent(taken, call.cred) if jobspec.dependencies else self._take(taken)

    async def _take_dependent(self, taken: Taken, cred: Cred) -> SubmitReply:
        plan = await self._dependencies.planner.plan(taken.jobspec, cred)
        return await self._take(taken, plan)

    def _take(self, taken: Taken, plan: Plan | None = None) -> "asyncio.Future[SubmitReply]":
        limited = self._guard.limits.active_jobs != UNLIMITED
        if limited:
            self._active.check(taken.userid)
        id = self._ids.next(int((self._monotonic() - self._epoch) * 1000))
        if self._plugins.loaded or plan:
            plan = self._plugins.admit(taken.draft(id), plan)
        future = self._engine.submit(
            id,
            taken.jobspec,
            taken.text,
            userid=taken.userid,
            urgency=taken.urgency,
            flags=taken.flags,
            first=plan.first if plan else (),
        )
        if limited:
            self._active.taken(taken.userid, future)
        counting = self._dependencies.singletons.counting or self._plugins.loaded
        if plan or counting or taken.flags & _WAITABLE:
            self._account(self._engine.jobs[id], plan, future)
        return future

    def _account(self, job: Job, plan: Plan | None, future: "asyncio.Future[SubmitReply]") -> None:
        """Have the job counted where jobs are, until it ends or turns out not to be kept."""
        self._dependencies.taken(job, plan)

        def kept(future: "asyncio.Future[SubmitReply]") -> None:
            if future.cancelled() or future.exception() is not None:
                self._dependencies.gone(job)
                self._plugins.lost(job)
                if job.flags & _WAITABLE:
                    self._engine.on_waitable_lost(job)

        future.add_done_callback(kept)

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


def _completed(text: bytes, missing: Mapping[str, Any]) -> tuple[Jobspec, bytes]:
    """The jobspec with the attributes that its queue and the policy add."""
    value = msgspec.json.decode(text)
    for name, given in missing.items():
        set_attribute(value, f"attributes.system.{name}", given)
    return parse(value), msgspec.json.encode(value)
