"""The engine: where a job's events are posted and acted upon.

Everything that happens to an active job goes through `post`: the event is applied to the job, the
job is touched, so that jobmgrd/commits.py writes it, and what its new state asks for is done: at
once what concerns the job alone, after the commit what the world may learn of. flux-core's
counterpart is job-manager/event.c.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import structlog

from jobmgrd.allocator import Allocator
from jobmgrd.commits import POSITION, Commits
from jobmgrd.exec.port import (
    ExecEvent,
    Executor,
    Notify,
)
from jobmgrd.execution import Execution
from jobmgrd.gathered import Effect
from jobmgrd.housekeeping import Housekeeping
from jobmgrd.jobs.facts import IMMUTABLE
from jobmgrd.jobs.job import EVENTLOG_VERSION, Job, Perilog, priority_of
from jobmgrd.jobs.scheduler import Scheduler
from jobmgrd.jobs.states import Action, next_action
from jobmgrd.jobs.times import expiration
from jobmgrd.jobs.updates import DURATION
from jobmgrd.limits import Guard
from jobmgrd.perilog import Perilogs
from jobmgrd.site import Site
from jobmgrd.store import rows
from jobmgrd.store.port import Changes, Orphan, Recovered, Store
from protocol import job_input
from protocol.job import Flag, State
from protocol.job_manager import SubmitReply
from protocol.jobspec import Jobspec

log = structlog.get_logger()


class Engine:
    """The active jobs, and everything that moves them."""

    def __init__(
        self,
        store: Store,
        scheduler: Scheduler,
        make_executor: Callable[[Notify], Executor],
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._executor = make_executor(self._executed)
        self._clock = clock
        self.jobs: dict[int, Job] = {}
        self.commits = Commits(store, self._executor, self.jobs)
        self.execution = Execution(self, self._executor, clock)
        self.allocator = Allocator(scheduler, clock, self._allocated)
        self._steps: Mapping[Action, Callable[[Job], None]] = {
            Action.VALIDATE: self._validate,
            Action.DEPEND: self._depend,
            Action.PRIORITIZE: self._prioritize,
            Action.ENQUEUE: self._enqueue,
            Action.PROLOG: partial(self._perilog, name="prolog"),
            Action.START: self.execution.start,
            Action.END_TASKS: self._end_tasks,
            Action.EPILOG: partial(self._perilog, name="epilog"),
            Action.FREE: self._free,
            Action.CLEAN: self._clean,
        }
        self.site = Site()
        self.perilogs = Perilogs(self, self._executor, self.site, clock)
        self.housekeeping = Housekeeping(
            self._executor, self.site, store, self.allocator.give_back, clock
        )
        self.allocator.in_housekeeping = lambda: self.housekeeping.ranks
        self._stopping = False
        self.max_jobid = 0
        self.guard = Guard()
        self.priority_of: Callable[[Job], int] = priority_of
        """Tells the priority of a job that is about to wait for resources."""
        self.hold_of: Callable[[Job], str | None] | None = None
        """Names one more dependency of a job that is about to leave DEPEND, if it is to wait."""
        self.on_waitable_end: Effect = lambda _job: None
        """Told of each waitable job that has become inactive."""
        self.on_waitable_lost: Effect = lambda _job: None
        """Told of each that could not be kept, so that it never was."""

    @property
    def active(self) -> int:
        """How many jobs are active."""
        return len(self.jobs)

    def now(self) -> float:
        """UNIX time, by the clock of all events."""
        return self._clock()

    # --- jobs come in -----------------------------------------------------------------------

    def submit(
        self,
        id: int,
        jobspec: Jobspec,
        jobspec_json: bytes,
        *,
        userid: int,
        urgency: int,
        flags: int,
        first: Sequence[tuple[str, Mapping[str, Any]]] = (),
    ) -> "asyncio.Future[SubmitReply]":
        """Take a new job in; the future gives its id, once the job is durable.

        `first` are events that come before its validation: names and contexts.
        """
        job = Job(id, jobspec, jobspec_json)
        self.jobs[id] = job
        self.max_jobid = max(self.max_jobid, id)
        future = self.commits.submitted(job)
        context = {
            "urgency": urgency,
            "userid": userid,
            "flags": flags,
            "version": EVENTLOG_VERSION,
        }
        job.apply(self._clock(), "submit", context)
        for name, early in first:
            job.apply(self._clock(), name, early)
        self.commits.touch(job)
        self.advance(job)
        return future

    async def recover(
        self, recovered: Recovered, introduce: Callable[[Job], None] = lambda _job: None
    ) -> None:
        """Take back the jobs that were active when the last daemon ended.

        Queued jobs go on, and so do jobs that run if the executor still knows them; one that has
        lost its processes ends with an exception that says so. A record that cannot be replayed is
        put aside. `introduce` is called with each job before any goes on.

        Raises:
            ExecError: nothing can be executed.
        """
        self.commits.position = recovered.meta.get(POSITION, b"")
        await self._executor.open(self.commits.position)
        orphans: list[Orphan] = []
        for row in recovered.active:
            try:
                job = rows.recover(row)
            except ValueError as error:
                log.error("job.orphaned", id=row.id, reason=str(error))
                orphans.append(Orphan(row, str(error), self._clock()))
                continue
            self.jobs[job.id] = job
            log.debug("job.recovered", id=job.id, state=job.state.name)
        for job in self.jobs.values():
            if job.has_resources:
                await self._recall_output(job)
        for job in self.jobs.values():
            introduce(job)
        self.housekeeping.recover(recovered.meta, self.jobs, self.allocator.scheduler.reserve)
        # All at once: a write says by its position that no job waits to be resumed.
        for job in tuple(self.jobs.values()):
            self._resume(job)
        if orphans:
            self._store.write(Changes(orphans=orphans))
        self._executor.begin()

    async def _recall_output(self, job: Job) -> None:
        output = await self._store.output(job.id)
        job.has_output = bool(output)
        job.output_lines = output.count(b"\n")
        if job.jobspec.shell.stdin is None:
            given = await self._store.input(job.id)
            job.input_lines, job.input_size = given.count(b"\n"), job_input.size(given)

    def _resume(self, job: Job) -> None:
        if job.has_resources:
            self.allocator.reserve(job)
        if job.state is State.SCHED:
            self.post(job, "flux-restart")
        elif job.perilog is not None:
            self.perilogs.resume(job)
        elif job.has_resources and job.status is None and not (job.barred or job.epilog_done):
            self.execution.resume(job)
        else:
            self.advance(job)

    # --- events -----------------------------------------------------------------------------

    def post(self, job: Job, name: str, context: Mapping[str, Any] | None = None) -> None:
        """Apply an event to a job, keep it, and do what its state asks for next."""
        before = job.state
        job.apply(self._clock(), name, context)
        self.commits.touch(job)
        if before is State.SCHED and job.state is not State.SCHED:
            self.allocator.leave(job)
        self.advance(job)

    def raise_exception(
        self,
        job: Job,
        type: str,
        severity: int,
        note: str,
        userid: int | None = None,
        wait_status: int | None = None,
    ) -> None:
        """Post an exception event (RFC 21); a wait status is that of the task that caused it."""
        context: dict[str, Any] = {"type": type, "severity": severity, "note": note}
        if userid is not None:
            context["userid"] = userid
        if wait_status is not None:
            context["wait_status"] = wait_status
        self.post(job, "exception", context)

    def reprioritize(self, job: Job) -> None:
        """Ask anew for the priority of a job that waits for resources."""
        if job.state is State.SCHED and (priority := self.priority_of(job)) != job.priority:
            self.post(job, "priority", {"priority": priority})

    def durable(self, job: Job) -> "asyncio.Future[None]":
        """A future that is done once all events of a job so far are durable."""
        return self.commits.durable(job)

    def update(self, job: Job, updates: Mapping[str, Any], *, immutable: bool = False) -> None:
        """Change a job's jobspec by these paths; a running one goes on under its new time limit.

        Args:
            job: is active.
            updates: values by path, as in a jobspec-update event (RFC 21), and checked.
            immutable: the owner of the instance alone may update the job from now on.
        """
        if immutable:
            self.post(job, "set-flags", {"flags": [IMMUTABLE]})
        self.post(job, "jobspec-update", updates)
        if DURATION in updates and job.state & State.RUNNING:
            self.post(job, "resource-update", {"expiration": expiration(job) or 0.0})
            self.execution.limit_anew(job)
            self.allocator.limit_changed()

    def advance(self, job: Job) -> None:
        """Do what is due for a job in its present state."""
        action = next_action(job, self.perilogs.plan)
        if action is not None:
            self._steps[action](job)

    def _validate(self, job: Job) -> None:
        self.post(job, "validate")

    def _depend(self, job: Job) -> None:
        hold = None if self.hold_of is None else self.hold_of(job)
        if hold is None:
            self.post(job, "depend")
        else:
            self.post(job, "dependency-add", {"description": hold})

    def _prioritize(self, job: Job) -> None:
        self.post(job, "priority", {"priority": self.priority_of(job)})

    def _enqueue(self, job: Job) -> None:
        self.commits.after(job, self.allocator.wait)

    def _allocated(self, job: Job) -> None:
        self.post(job, "alloc")

    def _perilog(self, job: Job, name: Perilog) -> None:
        if not self._stopping:  # else it is left to the next daemon
            self.perilogs.begin(job, name)

    def _end_tasks(self, job: Job) -> None:
        job.end_asked = True
        if job.perilog is None:
            self.execution.cancel(job)
        else:
            self.perilogs.cancel(job)

    def _free(self, job: Job) -> None:
        self.execution.end_limit(job)
        if job.id in self.perilogs.draining:
            return
        if job.id not in self.housekeeping.taken:
            if self.housekeeping.command:
                self.housekeeping.take(job, self.advance)  # comes back here
                return
            self.allocator.give_back(job.ranks)
        self.allocator.end(job)
        if job.start_asked:
            job.apply(self._clock(), "release", _RELEASE_ALL)
        self.post(job, "free")

    def _clean(self, job: Job) -> None:
        self.post(job, "clean")
        if job.flags & Flag.WAITABLE:
            self.commits.after(job, self.on_waitable_end)

    # --- execution --------------------------------------------------------------------------

    def _executed(self, event: ExecEvent) -> None:
        """What the executor tells; the job may have ended by itself meanwhile."""
        job = self.jobs.get(event.id)
        if job is None or job.perilog is not None or job.state is State.INACTIVE:
            self._site_executed(job, event)
            return
        self.execution.told(job, event)

    def _site_executed(self, job: Job | None, event: ExecEvent) -> None:
        """What the executor tells of a command of the site."""
        if job is not None and job.perilog is not None:
            self.perilogs.executed(job, event)
        else:
            self.housekeeping.executed(event)

    async def stop(self, note: str, *, leave: bool, within: float) -> None:
        """End running jobs with an exception, or leave them; wait until all is durable.

        After `within` seconds the rest is left as a crash would leave it: to the next daemon.
        """
        self._stopping = self.site.stopping = True
        self.allocator.stop()
        self.execution.stop()
        try:
            async with asyncio.timeout(within):
                await self._end(note, leave=leave)
        except TimeoutError:
            reason = self.commits.failure or "processes do not end"
            log.error("engine.stop-incomplete", jobs=len(self.jobs), reason=reason)
        await self._executor.close()

    async def _end(self, note: str, *, leave: bool) -> None:
        if leave:
            await self._executor.close()
        else:
            for job in [job for job in self.jobs.values() if job.state is State.RUN]:
                self.raise_exception(job, "exec", 0, note)
            await self._executor.terminate()
        await self.commits.drain()


_RELEASE_ALL: Final[Mapping[str, Any]] = {"ranks": "all", "final": True}
