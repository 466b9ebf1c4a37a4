"""The engine: where a job's events are posted, kept, and acted upon.

Everything that happens to an active job goes through `post`: the event is applied to the job,
the job is marked dirty, and what its new state asks for is done. At the end of the loop's tick
all dirty jobs go to the store in one write; while that commits, further events gather for the
next one. What the world may learn of (answers, events, the start of processes, the job's next
step outside) waits in `_effects` until the write that carries it is durable:

    submit ──> apply, dirty ──> one write for the tick ──> effects: reply, enqueue, start, publish

A write that fails loses nothing: submits in it are answered with the error and forgotten, all
other jobs stay dirty and are written again. flux-core's counterpart is job-manager/event.c.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

import structlog
from msgspec import Struct

from jobmgrd.exec.port import (
    Attempt,
    ExecEvent,
    Executor,
    Failed,
    Fate,
    Finished,
    Notify,
    Output,
    Started,
)
from jobmgrd.jobs.job import EVENTLOG_VERSION, Job, priority_of
from jobmgrd.jobs.queue import PendingQueue
from jobmgrd.jobs.retention import DEFAULT
from jobmgrd.jobs.scheduler import Scheduler
from jobmgrd.jobs.states import Action, next_action
from jobmgrd.store import rows
from jobmgrd.store.port import Changes, Orphan, OutputRow, Recovered, Store
from protocol import job_output, resource_set
from protocol.job import State
from protocol.job_manager import SubmitReply
from protocol.jobspec import Jobspec
from protocol.resource_set import Rank, ResourceSet

log = structlog.get_logger()

RETRY_DELAY: Final = 0.5
"""Seconds until a failed write is tried again."""
_NOT_STARTED: Final = 127 << 8
"""The wait status of a command that could not be started, as a shell has it."""
_POSITION: Final = "exec"
"""The name under which the executor's position is kept."""
_LOST: Final = 9
"""The wait status of processes that were lost: nobody saw how they ended."""


class Committed(Struct, frozen=True):
    """What one write made durable for one job: what the world may see now."""

    job: Job
    entries: Sequence[bytes]  # eventlog lines (RFC 18)
    moves: Sequence[tuple[State, float]]  # states that the job came to, and when
    output: bytes  # RFC 24 lines
    last: bool  # the job is inactive: nothing comes after this


class Listener(Protocol):
    """Somebody who is told of every job's events, in order, once they are durable."""

    def committed(self, batch: Sequence[Committed]) -> None:
        """Called once per write."""


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
        self._scheduler = scheduler
        self._executor = make_executor(self._executed)
        self._clock = clock
        self._queue = PendingQueue()
        self._steps: Mapping[Action, Callable[[Job], None]] = {
            Action.VALIDATE: self._validate,
            Action.DEPEND: self._depend,
            Action.PRIORITIZE: self._prioritize,
            Action.ENQUEUE: self._enqueue,
            Action.START: self._start,
            Action.END_TASKS: self._end_tasks,
            Action.FREE: self._free,
            Action.CLEAN: self._clean,
        }
        self.jobs: dict[int, Job] = {}
        self._dirty: dict[int, Job] = {}
        self._effects: list[tuple[Job, Callable[[Job], None]]] = []
        self._output: dict[int, list[bytes]] = {}
        self._submits: dict[int, asyncio.Future[SubmitReply]] = {}
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._listeners: list[Listener] = []
        self._writing: asyncio.Future[None] | None = None
        self._flush_due = False
        self._schedule_due = False
        self._stopping = False
        self._published = 0
        self._position = b""  # of the executor's events; the last one that went into a write
        self.class_of: Callable[[Job], int] = lambda _job: DEFAULT
        """Which retention class a job that ends belongs to."""
        self.max_jobid = 0

    @property
    def active(self) -> int:
        """How many jobs are active."""
        return len(self.jobs)

    @property
    def scheduler(self) -> Scheduler:
        """The resources, free and taken."""
        return self._scheduler

    def listen(self, listener: Listener) -> None:
        """Have a listener told of all further events."""
        self._listeners.append(listener)

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
    ) -> "asyncio.Future[SubmitReply]":
        """Take a new job in; the future gives its id, once the job is durable."""
        job = Job(id, jobspec, jobspec_json)
        self.jobs[id] = job
        self.max_jobid = max(self.max_jobid, id)
        future = self._submits[id] = asyncio.get_running_loop().create_future()
        context = {
            "urgency": urgency,
            "userid": userid,
            "flags": flags,
            "version": EVENTLOG_VERSION,
        }
        self.post(job, "submit", context)
        return future

    async def recover(self, recovered: Recovered) -> None:
        """Take back the jobs that were active when the last daemon ended.

        Queued jobs go on, and so do jobs that run if the executor still knows them; one that has
        lost its processes ends with an exception that says so. A record that cannot be replayed is
        put aside.

        Raises:
            ExecError: nothing can be executed.
        """
        self._position = recovered.meta.get(_POSITION, b"")
        await self._executor.open(self._position)
        orphans: list[Orphan] = []
        for row in recovered.active:
            try:
                job = rows.replay(row)
            except ValueError as error:
                log.error("job.orphaned", id=row.id, reason=str(error))
                orphans.append(Orphan(row, str(error), self._clock()))
                continue
            self.jobs[job.id] = job
            log.debug("job.recovered", id=job.id, state=job.state.name)
        for job in self.jobs.values():
            if job.has_resources:
                await self._recall_output(job)
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

    def _resume(self, job: Job) -> None:
        if job.has_resources:
            self._scheduler.reserve(job.ranks)
        if job.state is State.SCHED:
            self.post(job, "flux-restart")
        elif job.has_resources and job.status is None:
            self._resume_tasks(job)
        else:
            self._advance(job)

    def _resume_tasks(self, job: Job) -> None:
        """Go on with a job that was about to start, or to end, or in between."""
        job.start_asked = True
        elapsed = self._clock() - job.t_run
        fate = self._executor.resume(_attempt(job), elapsed if job.started else None)
        log.debug("job.resumed", id=job.id, fate=fate.name)
        if fate is Fate.NEVER_STARTED:
            self._execute(job)
        elif fate is Fate.LOST:
            job.end_asked = True
            note = "lost contact with the job's processes: jobmgrd was restarted"
            self.raise_exception(job, "exec", 0, note)
            self.post(job, "finish", {"status": _LOST})
        else:
            if fate is Fate.RUNNING:
                self._limit_time(job, elapsed)
            self._advance(job)

    # --- events -----------------------------------------------------------------------------

    def post(self, job: Job, name: str, context: Mapping[str, Any] | None = None) -> None:
        """Apply an event to a job, keep it, and do what its state asks for next."""
        before = job.state
        job.apply(self._clock(), name, context)
        self._touch(job)
        if before is State.SCHED and job.state is not State.SCHED:
            self._queue.remove(job.id)
        self._advance(job)

    def raise_exception(
        self, job: Job, type: str, severity: int, note: str, userid: int | None = None
    ) -> None:
        """Post an exception event (RFC 21)."""
        context: dict[str, Any] = {"type": type, "severity": severity, "note": note}
        if userid is not None:
            context["userid"] = userid
        self.post(job, "exception", context)

    def durable(self, job: Job) -> "asyncio.Future[None]":
        """A future that is done once all events of a job so far are durable."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._effects.append((job, lambda _job: future.set_result(None)))
        self._touch(job)
        return future

    def signal(self, job: Job, signum: int) -> None:
        """Send a signal to a running job's processes."""
        self._executor.signal(job.id, signum)

    def published(self, seq: int) -> None:
        """Note, in the next write, that the purges up to this seq were announced."""
        self._published = seq

    def _touch(self, job: Job) -> None:
        self._dirty[job.id] = job
        self._flush_soon()

    def _advance(self, job: Job) -> None:
        action = next_action(job)
        if action is not None:
            self._steps[action](job)

    def _validate(self, job: Job) -> None:
        self.post(job, "validate")

    def _depend(self, job: Job) -> None:
        self.post(job, "depend")

    def _prioritize(self, job: Job) -> None:
        self.post(job, "priority", {"priority": priority_of(job.urgency)})

    def _enqueue(self, job: Job) -> None:
        self._effects.append((job, self._wait_for_resources))

    def _wait_for_resources(self, job: Job) -> None:
        if job.state is State.SCHED:
            self._queue.add(job)
            self._schedule_soon()

    def _start(self, job: Job) -> None:
        job.start_asked = True
        self._effects.append((job, self._execute))

    def _execute(self, job: Job) -> None:
        if job.state is not State.RUN:  # an exception came first: nothing was started
            job.start_asked = False
            self._advance(job)
            return
        if self._stopping:
            return  # it is left to the next daemon
        self._limit_time(job, 0.0)
        self._executor.start(_attempt(job))

    def _limit_time(self, job: Job, elapsed: float) -> None:
        if job.jobspec.duration:
            left = max(job.jobspec.duration - elapsed, 0.0)
            self._timers[job.id] = asyncio.get_running_loop().call_later(left, self._expired, job)

    def _expired(self, job: Job) -> None:
        if job.state is State.RUN:
            self.raise_exception(job, "timeout", 0, "resource allocation expired")

    def _end_tasks(self, job: Job) -> None:
        job.end_asked = True
        self._executor.cancel(job.id)

    def _free(self, job: Job) -> None:
        timer = self._timers.pop(job.id, None)
        if timer is not None:
            timer.cancel()
        self._scheduler.free_alloc(job.ranks)
        if job.start_asked:
            job.apply(self._clock(), "release", _RELEASE_ALL)
        self.post(job, "free")
        self._schedule_soon()

    def _clean(self, job: Job) -> None:
        self.post(job, "clean")

    # --- scheduling -------------------------------------------------------------------------

    def _schedule_soon(self) -> None:
        if not self._schedule_due:
            self._schedule_due = True
            asyncio.get_running_loop().call_soon(self._schedule)

    def _schedule(self) -> None:
        """Give resources to the head of the queue for as long as it fits."""
        self._schedule_due = False
        while not self._stopping and (job := self._queue.head()) is not None:
            ranks = self._scheduler.alloc(job.jobspec)
            if ranks is None:
                return
            job.ranks = ranks
            job.R = _encode_R(ranks, self._clock(), job.jobspec.duration)
            self.post(job, "alloc")

    # --- execution --------------------------------------------------------------------------

    def _executed(self, event: ExecEvent) -> None:
        """What the executor tells; the job may have ended by itself meanwhile."""
        job = self.jobs.get(event.id)
        if job is None:
            return
        match event:
            case Started():
                if job.state is State.RUN:
                    self.post(job, "start")
            case Output():
                self._keep_output(job, event)
            case Finished():
                self.post(job, "finish", {"status": event.status})
            case Failed():
                job.end_asked = True
                self.raise_exception(job, "exec", 0, event.note)
                self.post(job, "finish", {"status": _LOST if job.started else _NOT_STARTED})

    def _keep_output(self, job: Job, event: Output) -> None:
        pieces = self._output.setdefault(job.id, [])
        if not job.has_output:
            job.has_output = True
            pieces.append(job_output.header(self._clock(), job.jobspec.ntasks))
        pieces.append(
            job_output.data(
                self._clock(),
                job_output.Chunk(event.stream, event.rank, event.data, event.eof),
            )
        )
        self._touch(job)

    # --- commits ----------------------------------------------------------------------------

    def _flush_soon(self) -> None:
        if not self._flush_due and self._writing is None:
            self._flush_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """Hand everything that has gathered to the store, as one write."""
        self._flush_due = False
        if self._writing is not None or not self._dirty:
            return
        write = _Write(
            dirty=[_Dirty(job, len(job.entries), _take_moves(job)) for job in self._dirty.values()],
            output={id: b"".join(pieces) for id, pieces in self._output.items()},
            effects=self._effects,
            submits=self._submits,
            published=self._published,
            position=self._take_position(),
        )
        self._dirty, self._output, self._effects, self._submits = {}, {}, [], {}
        self._writing = self._store.write(write.changes(self.class_of))
        self._writing.add_done_callback(partial(self._written, write))

    def _take_position(self) -> bytes:
        """The executor's position, if it has moved: all that was told is in this write."""
        position = self._executor.position
        if position == self._position:
            return b""
        self._position = position
        return position

    def _written(self, write: "_Write", future: "asyncio.Future[None]") -> None:
        self._writing = None
        error = future.exception()
        if error is not None:
            self._take_back(write, error)
            return
        if write.position:
            self._executor.acknowledge(write.position)
        for id, submitted in write.submits.items():
            if not submitted.done():
                submitted.set_result(SubmitReply(id))
        batch = write.committed()
        for listener in self._listeners:
            listener.committed(batch)
        for item in batch:
            if item.last:
                del self.jobs[item.job.id]
        for job, effect in write.effects:
            effect(job)
        if self._dirty:
            self._flush_soon()

    def _take_back(self, write: "_Write", error: BaseException) -> None:
        """A write failed: answer its submits, keep all the rest for the next try."""
        log.error("engine.write-failed", jobs=len(write.dirty), reason=str(error))
        if write.position:
            self._position = b""
        for id, future in write.submits.items():
            self.jobs.pop(id, None)
            self._dirty.pop(id, None)
            if not future.done():
                future.set_exception(error)
        kept = [(job, effect) for job, effect in write.effects if job.id in self.jobs]
        self._effects = kept + self._effects
        for id, data in write.output.items():
            self._output.setdefault(id, []).insert(0, data)
        for job, _length, moves in write.dirty:
            if job.id in self.jobs:
                job.moves[:0] = moves
                self._dirty[job.id] = job
        if self._dirty:
            asyncio.get_running_loop().call_later(RETRY_DELAY, self._flush)

    async def stop(self, note: str, *, leave: bool) -> None:
        """End running jobs with an exception, or leave them; wait until all is durable."""
        self._stopping = True
        if leave:
            await self._executor.close()
        else:
            for job in [job for job in self.jobs.values() if job.state is State.RUN]:
                self.raise_exception(job, "exec", 0, note)
            await self._executor.terminate()
        while self._writing is not None or self._dirty:
            self._flush()
            if self._writing is not None:
                await asyncio.wait([self._writing])
                await asyncio.sleep(0)  # let `_written` run
        await self._executor.close()


class _Dirty(NamedTuple):
    """A job of a write: how many entries of its eventlog go with it, and where it moved."""

    job: Job
    length: int
    moves: Sequence[tuple[State, float]]


def _take_moves(job: Job) -> Sequence[tuple[State, float]]:
    moves, job.moves = job.moves, []
    return moves


class _Write(Struct, frozen=True):
    """One write under way, and what waits for it."""

    dirty: Sequence[_Dirty]
    output: Mapping[int, bytes]
    effects: list[tuple[Job, Callable[[Job], None]]]
    submits: Mapping[int, "asyncio.Future[SubmitReply]"]
    published: int
    position: bytes  # of the executor's events; b"" if it has not moved

    def committed(self) -> Sequence[Committed]:
        """Note with the jobs what is durable now."""
        batch = []
        for job, length, moves in self.dirty:
            entries = job.entries[job.committed : length]
            job.committed = length
            output = self.output.get(job.id, b"")
            job.output_lines += output.count(b"\n")
            last = job.state is State.INACTIVE and length == len(job.entries)
            batch.append(Committed(job, entries, moves, output, last))
        return batch

    def changes(self, class_of: Callable[[Job], int]) -> Changes:
        """What the store is to keep."""
        jobs = [item.job for item in self.dirty]
        ended = [job for job in jobs if job.state is State.INACTIVE]
        active = [job for job in jobs if job.state is not State.INACTIVE]
        return Changes(
            active=[rows.active(job) for job in active],
            ended=[rows.inactive(job, class_of(job)) for job in ended],
            output=[OutputRow(id, data) for id, data in self.output.items()],
            published=self.published,
            meta={_POSITION: self.position} if self.position else {},
        )


def _encode_R(ranks: Sequence[Rank], now: float, duration: float) -> bytes:  # noqa: N802
    expiration = now + duration if duration else 0.0
    if len(ranks) == 1:
        rank = ranks[0]
        return resource_set.one_rank(rank.rank, rank.cores, rank.gpus, rank.host, now, expiration)
    return resource_set.encode(ResourceSet(tuple(ranks), now, expiration))


def _attempt(job: Job) -> Attempt:
    spec = job.jobspec
    return Attempt(
        id=job.id,
        userid=job.userid,
        command=spec.command,
        cwd=spec.cwd,
        environment=spec.environment,
        slots=spec.num_slots,
        tasks=spec.ntasks,
        stdout=spec.stdout,
        stderr=spec.stderr,
        label_io=spec.label_io,
        cores=tuple(core for rank in job.ranks for core in rank.cores),
        gpus=tuple(gpu for rank in job.ranks for gpu in rank.gpus),
        run_duration=spec.test.run_duration if spec.test else None,
        simulate_status=spec.test.wait_status if spec.test else 0,
        simulate_exception=spec.test.mock_exception or None if spec.test else None,
    )


_RELEASE_ALL: Final[Mapping[str, Any]] = {"ranks": "all", "final": True}
