"""An engine takes its jobs back: what it asks of an executor that outlived the last one."""

import asyncio
import errno
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from jobmgrd.engine import Engine
from jobmgrd.exec import port
from jobmgrd.exec.port import Attempt, Fate, Finished, Notify, Output, Started
from jobmgrd.jobs.nodes import NodeConfig
from jobmgrd.jobs.scheduler import Scheduler
from jobmgrd.store.memory import MemoryStore
from jobmgrd.store.port import Changes, InactiveRow, StoreError
from protocol.jobspec import from_command, parse


class Executor(port.Executor):
    """Outlives engines; the test says what became of its attempts, and what it tells."""

    def __init__(self) -> None:
        self.fate = Fate.LOST
        self.calls: list[tuple[Any, ...]] = []
        self.called = asyncio.Event()
        self.tell: Notify = lambda _event: None
        self.told = 0
        self.stuck = False

    @property
    def position(self) -> bytes:
        """See the port."""
        return b"%d" % self.told

    def notify(self, *events: port.ExecEvent) -> None:
        """Tell events."""
        for event in events:
            self.told += 1
            self.tell(event)

    def _call(self, *call: object) -> None:
        self.calls.append(call)
        self.called.set()

    async def until(self, *call: object) -> None:
        """Wait for a call."""
        async with asyncio.timeout(10):
            while call not in self.calls:
                self.called.clear()
                await self.called.wait()

    def start(self, attempt: Attempt) -> None:
        """See the port."""
        self._call("start", attempt.id)

    def signal(self, id: int, signum: int) -> None:
        """See the port."""
        self._call("signal", id, signum)

    def cancel(self, id: int) -> None:
        """See the port."""
        self._call("cancel", id)

    async def terminate(self) -> None:
        """See the port."""
        self._call("terminate")
        if self.stuck:
            await asyncio.Event().wait()

    async def close(self) -> None:
        """See the port."""
        self._call("close")

    async def open(self, position: bytes) -> None:
        """See the port."""
        self._call("open", position)

    def resume(self, attempt: Attempt, elapsed: float | None) -> Fate:
        """See the port."""
        self._call("resume", attempt.id, elapsed)
        return self.fate

    def begin(self) -> None:
        """See the port."""
        self._call("begin")

    def acknowledge(self, position: bytes) -> None:
        """See the port."""
        self._call("acknowledge", position)


class Store(MemoryStore):
    """Remembers what the engine writes."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[Changes] = []
        self.full = False
        self._written = asyncio.Event()

    async def until_written(self, entry: bytes, id: int) -> None:
        """Wait until a write has an entry in a job's eventlog."""
        while not any(
            row.id == id and entry in row.eventlog for write in self.writes for row in write.active
        ):
            self._written.clear()
            await self._written.wait()

    async def output(self, id: int) -> bytes:
        """See the port; others have their turn meanwhile, as with a real one."""
        await asyncio.sleep(0)
        return await super().output(id)

    def write(self, changes: Changes) -> "asyncio.Future[None]":
        """See the port."""
        self.writes.append(changes)
        self._written.set()
        if self.full:
            refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            refused.set_exception(StoreError(errno.ENOSPC, "the disk is full"))
            return refused
        return super().write(changes)


class Bench:
    """One store and one executor, and engines that come and go."""

    def __init__(self) -> None:
        self.store = Store()
        self.executor = Executor()
        self.now = 1000.0

    async def restart(self) -> Engine:
        """Forget the engine there was; another one, that has taken its jobs back."""

        def make(notify: Notify) -> Executor:
            self.executor.tell = notify
            return self.executor

        self.executor.calls.clear()
        self.executor.tell = lambda _event: None
        await self.store.close()
        engine = Engine(self.store, Scheduler([NodeConfig(0, "host", 2)]), make, lambda: self.now)
        await engine.recover(await self.store.open())
        return engine

    async def run(self, engine: Engine, **options: Any) -> None:  # noqa: ANN401
        """Run job 1 until it has started and written something, durably."""
        self.submit(engine, 1, **options)
        await self.executor.until("start", 1)
        self.executor.notify(Started(1), Output(1, 0, "stdout", b"x"))
        await engine.durable(engine.jobs[1])

    def submit(self, engine: Engine, id: int, **options: Any) -> None:  # noqa: ANN401
        """Submit a job."""
        jobspec = from_command(["true"], **options)
        text = json.dumps(jobspec).encode()
        engine.submit(id, parse(jobspec), text, userid=7, urgency=16, flags=0)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A store that is open, and an executor."""
    made = Bench()
    await made.store.open()
    yield made
    await made.store.close()


def names(engine: Engine) -> list[str]:
    """The names of job 1's events."""
    return [json.loads(line)["name"] for line in engine.jobs[1].entries]


async def test_a_position_is_written_with_what_it_stands_for(bench: Bench) -> None:
    """In one write, and acknowledged only once that is durable."""
    engine = await bench.restart()
    await bench.run(engine)
    (write,) = [write for write in bench.store.writes if write.meta.get("exec") == b"2"]
    assert write.output
    assert b'"start"' in write.active[0].eventlog
    calls = bench.executor.calls
    assert calls.index(("acknowledge", b"2")) > calls.index(("start", 1))
    bench.executor.notify(Finished(1, 0))
    await bench.executor.until("acknowledge", b"3")


async def test_the_last_position_is_given_back(bench: Bench) -> None:
    """To the executor, before it is asked about jobs; it tells nothing until all are answered."""
    await bench.run(await bench.restart())
    bench.now += 5
    bench.executor.fate = Fate.RUNNING
    await bench.restart()
    assert bench.executor.calls == [("open", b"2"), ("resume", 1, 5.0), ("begin",)]


async def test_a_job_that_runs_goes_on(bench: Bench) -> None:
    """Its output continues where it was, under the one header, and its end is its end."""
    await bench.run(await bench.restart())
    bench.executor.fate = Fate.RUNNING
    engine = await bench.restart()
    bench.executor.notify(Output(1, 0, "stdout", b"y"), Finished(1, 0))
    assert "finish" in names(engine)
    await bench.executor.until("acknowledge", b"4")
    kept = (await bench.store.output(1)).splitlines()
    assert [json.loads(line)["name"] for line in kept] == ["header", "data", "data"]


async def test_a_job_that_was_never_started_is_started(bench: Bench) -> None:
    """Its resources were on record, its processes were not asked for."""
    engine = await bench.restart()
    await bench.run(engine)
    bench.executor.fate = Fate.NEVER_STARTED
    engine = await bench.restart()
    assert ("start", 1) in bench.executor.calls
    assert "exception" not in names(engine)


async def test_a_lost_job_ends_with_an_exception(bench: Bench) -> None:
    """Nobody knows its processes any more."""
    await bench.run(await bench.restart())
    bench.executor.fate = Fate.LOST
    engine = await bench.restart()
    assert {"exception", "finish"} <= set(names(engine))
    assert ("start", 1) not in bench.executor.calls


async def test_a_time_limit_counts_from_the_start(bench: Bench) -> None:
    """A job over its limit is ended at once, unless it has ended by itself."""
    await bench.run(await bench.restart(), duration=60.0)
    bench.now += 61
    bench.executor.fate = Fate.ENDED
    await bench.restart()
    await asyncio.sleep(0)
    assert ("cancel", 1) not in bench.executor.calls
    bench.executor.fate = Fate.RUNNING
    engine = await bench.restart()
    await bench.executor.until("cancel", 1)
    assert b'"timeout"' in engine.jobs[1].eventlog


async def test_a_job_that_was_being_ended_is_ended(bench: Bench) -> None:
    """Its exception is durable; the next engine asks the executor again."""
    engine = await bench.restart()
    await bench.run(engine)
    engine.raise_exception(engine.jobs[1], "cancel", 0, "")
    await engine.durable(engine.jobs[1])
    bench.executor.fate = Fate.RUNNING
    await bench.restart()
    assert ("cancel", 1) in bench.executor.calls


async def test_no_write_comes_between_jobs_that_are_taken_back(bench: Bench) -> None:
    """A position says of every job that the executor was given it: it waits for all of them."""
    engine = await bench.restart()
    await bench.run(engine)
    bench.submit(engine, 2)
    await bench.executor.until("start", 2)
    bench.executor.told = 0  # another supervisor
    bench.store.writes.clear()
    engine = await bench.restart()
    await engine.durable(engine.jobs[1])
    assert {row.id for row in bench.store.writes[0].ended} == {1, 2}
    assert bench.store.writes[0].meta["exec"] == b"0"


async def test_a_stop_ends_running_jobs(bench: Bench) -> None:
    """Their ends are awaited, and durable before the executor is let go."""
    engine = await bench.restart()
    await bench.run(engine)
    bench.executor.calls.clear()
    asyncio.get_running_loop().call_soon(bench.executor.notify, Finished(1, 15))
    await engine.stop("stopped", leave=False, within=30.0)
    assert bench.executor.calls == [
        ("cancel", 1),
        ("terminate",),
        ("acknowledge", b"3"),
        ("close",),
    ]
    assert isinstance(await bench.store.find(1), InactiveRow)


async def test_a_stop_that_leaves_jobs_tells_nothing_of_them(bench: Bench) -> None:
    """The executor is let go first; a job that was about to start is left to the next engine."""
    engine = await bench.restart()
    await bench.run(engine)
    bench.submit(engine, 2)
    await bench.store.until_written(b'"alloc"', 2)
    bench.executor.calls.clear()
    await engine.stop("stopped", leave=True, within=30.0)
    assert {call[0] for call in bench.executor.calls} == {"close"}
    assert "exception" not in names(engine)
    bench.executor.fate = Fate.NEVER_STARTED
    await bench.restart()
    assert ("start", 2) in bench.executor.calls


async def test_a_stop_does_not_wait_for_ever(bench: Bench) -> None:
    """Processes that do not end are left to the next engine, as after a crash."""
    engine = await bench.restart()
    await bench.run(engine)
    bench.executor.calls.clear()
    bench.executor.stuck = True
    await engine.stop("stopped", leave=False, within=0.05)
    assert bench.executor.calls[-1] == ("close",)


async def test_a_stop_on_a_full_disk_ends_without_haste(bench: Bench) -> None:
    """What cannot be written is tried a few times, not all the time, and then left."""
    engine = await bench.restart()
    await bench.run(engine)
    bench.store.full = True
    before = len(bench.store.writes)
    asyncio.get_running_loop().call_soon(bench.executor.notify, Finished(1, 15))
    await engine.stop("stopped", leave=False, within=0.2)
    assert 1 <= len(bench.store.writes) - before <= 3
    assert engine.commits.failure == "the disk is full"
    bench.store.full = False
    assert await bench.restart()
