"""Commits: one write for all that a tick of the loop changed, and what waits until it is durable.

Jobs that changed are touched; at the end of the tick all of them go to the store in one write.
While that commits, further changes gather for the next one. What the world may learn of (answers,
events, the start of processes, a job's next step outside) is an effect, held back until the write
that carries it is durable:

    touch, after ──> one write for the tick ──> answer submits, tell listeners, effects by job

A write that fails loses nothing: submits in it are answered with the error and forgotten, all
other jobs stay dirty and are written again.
"""

import asyncio
from collections.abc import Callable, Container, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple, Protocol

import structlog
from msgspec import Struct

from jobmgrd.exec.port import Executor
from jobmgrd.gathered import Effect, Gathered
from jobmgrd.jobs.job import Job
from jobmgrd.jobs.retention import DEFAULT
from jobmgrd.store import rows
from jobmgrd.store.port import Changes, OutputRow, Store, StoreError
from protocol.job import State
from protocol.job_manager import SubmitReply

log = structlog.get_logger()

RETRY_DELAY: Final = 0.5
"""Seconds until a failed write is tried again."""
WRITE_MAX: Final = 256
"""Jobs in one write, so that its end does not hold the loop for long: 10 ms, about. N.B. with the
executor's position all that it has told has to be written."""
WRITE_SHORT: Final = 64
"""The same while a client is quick (jobmgrd.turns); it is a fifth less of what can be done."""
POSITION: Final = "exec"
"""The name under which the position of the executor's events is kept."""


class Committed(Struct, frozen=True):
    """What one write made durable for one job: what the world may see now."""

    job: Job
    entries: Sequence[bytes]  # eventlog lines (RFC 18)
    moves: Sequence[tuple[State, float]]  # states that the job came to, and when
    output: bytes  # RFC 24 lines
    input: bytes  # as well
    last: bool  # the job is inactive: nothing comes after this


class Listener(Protocol):
    """Somebody who is told of every job's events, in order, once they are durable."""

    def committed(self, batch: Sequence[Committed]) -> None:
        """Called once per write."""


class Commits:
    """What is dirty, what is being written, and what waits for it.

    Args:
        store: where it is written.
        executor: is acknowledged the events that a write carried.
        jobs: the active jobs by id; those whose end is durable, and submits that failed, go.
    """

    def __init__(self, store: Store, executor: Executor, jobs: dict[int, Job]) -> None:
        self._store = store
        self._executor = executor
        self._jobs = jobs
        self._next = Gathered()
        self._listeners: list[Listener] = []
        self._writing: asyncio.Future[None] | None = None
        self._asked = 0.0
        self._write: _Write | None = None
        self._flush_due = False
        self.failure = ""
        """Why the last write failed; "" if it did not."""
        self.position = b""
        """Of the executor's events: the last one that went into a write."""
        self.class_of: Callable[[Job], int] = lambda _job: DEFAULT
        """Which retention class a job that ends belongs to."""
        self.hurried: Callable[[], bool] = lambda: False
        """Whether writes have to be short."""
        self.rules_of: Callable[[Sequence[Job]], Mapping[int, int]] = lambda _jobs: {}
        """Inactive jobs that change their retention class with a write of these dependent jobs."""

    @property
    def unwritten(self) -> int:
        """How many jobs have changed since their last durable write."""
        under_way = () if self._write is None else (item.job.id for item in self._write.dirty)
        return len({*self._next.dirty, *under_way})

    @property
    def waiting(self) -> float:
        """Seconds for which the write that is under way has waited; 0.0 if none is."""
        return 0.0 if self._writing is None else asyncio.get_running_loop().time() - self._asked

    def listen(self, listener: Listener) -> None:
        """Have a listener told of all further events."""
        self._listeners.append(listener)

    def ignore(self, listener: Listener) -> None:
        """Do not tell a listener any more."""
        self._listeners = [other for other in self._listeners if other is not listener]

    def touch(self, job: Job) -> None:
        """Write this job at the end of the tick."""
        self._next.dirty[job.id] = job
        self._flush_soon()

    def after(self, job: Job, effect: Effect) -> None:
        """Have something done once the job, as it is now, is durable; the caller touches it."""
        self._next.effects.setdefault(job.id, []).append((job, effect))

    def durable(self, job: Job) -> "asyncio.Future[None]":
        """A future that is done once the job, as it is now, is durable.

        It fails with StoreError if the job was never durable and its first write fails.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if (
            job.state is State.INACTIVE
            and job.id not in self._next.dirty
            and self._write is not None
        ):
            write = self._write  # its last row is under way: none follows
            write.waiting.setdefault(job.id, []).append(future)
        else:
            self._next.waiting.setdefault(job.id, []).append(future)
            self.touch(job)
        return future

    def submitted(self, job: Job) -> "asyncio.Future[SubmitReply]":
        """A future of the answer to this job's submit, given once it is durable."""
        future = self._next.submits[job.id] = asyncio.get_running_loop().create_future()
        return future

    def output(self, job: Job, data: bytes) -> None:
        """Keep a piece of output with a job."""
        self._next.output.setdefault(job.id, []).append(data)
        self.touch(job)

    def input(self, job: Job, data: bytes) -> None:
        """Keep a piece of what was written to its stdin with a job."""
        self._next.input.setdefault(job.id, []).append(data)
        self.touch(job)

    async def drain(self) -> None:
        """Write until nothing is dirty, and how far the executor has told."""
        while self._writing is not None or self._next.dirty:
            self._flush()
            if self._writing is not None:
                await asyncio.wait([self._writing])
                await asyncio.sleep(0)  # let `_written` run
                if self.failure:
                    await asyncio.sleep(RETRY_DELAY)
        position = self._take_position()
        if position:
            try:
                await self._store.write(Changes(meta={POSITION: position}))
            except StoreError as error:
                log.error("engine.write-failed", jobs=0, reason=str(error))
            else:
                self._executor.acknowledge(position)

    def _flush_soon(self) -> None:
        if not self._flush_due and self._writing is None:
            self._flush_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """Hand everything that has gathered to the store, as one write."""
        self._flush_due = False
        if self._writing is not None or not self._next.dirty:
            return
        position = self._take_position()
        count = len(self._next.dirty)
        if position or count <= WRITE_SHORT or count <= (most := self._most()):
            taken, self._next = self._next, Gathered()
        else:
            taken = self._next.part(most)
        write = _Write(
            dirty=[_Dirty(job, len(job.entries), _take_moves(job)) for job in taken.dirty.values()],
            output={id: b"".join(pieces) for id, pieces in taken.output.items()},
            input={id: b"".join(pieces) for id, pieces in taken.input.items()},
            effects=taken.effects,
            waiting=taken.waiting,
            submits=taken.submits,
            position=position,
        )
        self._write = write
        self._asked = asyncio.get_running_loop().time()
        self._writing = self._store.write(write.changes(self.class_of, self.rules_of))
        self._writing.add_done_callback(partial(self._written, write))

    def _most(self) -> int:
        """How many jobs are enough for one write."""
        return WRITE_SHORT if self.hurried() else WRITE_MAX

    def _take_position(self) -> bytes:
        """The executor's position, if it has moved: all that was told is in this write."""
        position = self._executor.position
        if position == self.position:
            return b""
        self.position = position
        return position

    def _written(  # noqa: C901 - all that waits for a write; each call of more is one a commit
        self, write: "_Write", future: "asyncio.Future[None]"
    ) -> None:
        self._writing = self._write = None
        failure = future.exception()
        if failure is not None:
            self._take_back(write, failure)
            return
        self.failure = ""
        if write.position:
            self._executor.acknowledge(write.position)
        if write.submits:
            write.tell_submits()
        batch = write.committed()
        for listener in self._listeners:
            try:
                listener.committed(batch)
            except Exception as error:  # it is kept, and concerns the others no less
                name = type(listener).__name__
                log.error("commits.listener-failed", listener=name, exc_info=error)
        for item in batch:
            if item.last:
                del self._jobs[item.job.id]
        for effects in write.effects.values():
            for job, effect in effects:
                effect(job)
        if write.waiting:
            write.tell_waiting()
        if self._next.dirty:
            self._flush_soon()

    def _take_back(self, write: "_Write", error: BaseException) -> None:
        """A write failed: answer its submits, keep all the rest for the next try."""
        self.failure = str(error)
        log.error("engine.write-failed", jobs=len(write.dirty), reason=str(error))
        if write.position:
            self.position = b""
        for id, future in write.submits.items():
            self._jobs.pop(id, None)
            self._next.dirty.pop(id, None)
            if not future.done():
                future.set_exception(error)
        write.refuse_waiting(error, self._jobs)
        self._next.put_back(self._jobs, write.effects, write.waiting, write.output, write.input)
        for job, _length, moves in write.dirty:
            if job.id in self._jobs:
                job.moves[:0] = moves
                self._next.dirty[job.id] = job
        if self._next.dirty:
            asyncio.get_running_loop().call_later(RETRY_DELAY, self._flush)


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
    input: Mapping[int, bytes]
    effects: Mapping[int, Sequence[tuple[Job, Effect]]]
    waiting: "dict[int, list[asyncio.Future[None]]]"
    submits: Mapping[int, "asyncio.Future[SubmitReply]"]
    position: bytes  # of the executor's events; b"" if it has not moved

    def committed(self) -> Sequence[Committed]:
        """Note with the jobs what is durable now."""
        batch = []
        for job, length, moves in self.dirty:
            entries = job.entries[job.committed : length]
            job.committed = length
            output = self.output.get(job.id, b"")
            job.output_lines += output.count(b"\n")
            given = self.input.get(job.id, b"")
            job.input_lines += given.count(b"\n")
            last = job.state is State.INACTIVE and length == len(job.entries)
            batch.append(Committed(job, entries, moves, output, given, last))
        return batch

    def tell_submits(self) -> None:
        """Their jobs are durable."""
        for id, submitted in self.submits.items():
            if not submitted.done():
                submitted.set_result(SubmitReply(id))

    def tell_waiting(self) -> None:
        """All of it is durable."""
        for waiting in self.waiting.values():
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    def refuse_waiting(self, error: BaseException, jobs: Container[int]) -> None:
        """It failed: tell those whose job is no more; the others wait for the next try."""
        for id, waiting in self.waiting.items():
            for future in () if id in jobs else waiting:
                if not future.done():
                    future.set_exception(error)

    def changes(
        self,
        class_of: Callable[[Job], int],
        rules_of: Callable[[Sequence[Job]], Mapping[int, int]],
    ) -> Changes:
        """What the store is to keep."""
        jobs = [item.job for item in self.dirty]
        dependent = [job for job in jobs if job.jobspec.dependencies]
        ended = [job for job in jobs if job.state is State.INACTIVE]
        active = [job for job in jobs if job.state is not State.INACTIVE]
        return Changes(
            active=[rows.active(job) for job in active],
            ended=[rows.inactive(job, class_of(job)) for job in ended],
            output=[OutputRow(id, data) for id, data in self.output.items()],
            input=[OutputRow(id, data) for id, data in self.input.items()],
            rules=rules_of(dependent) if dependent else {},
            meta={POSITION: self.position} if self.position else {},
        )
