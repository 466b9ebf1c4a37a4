"""The engine, on the in-memory store and with executors that a test drives."""

import asyncio
import errno
import json
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from jobmgrd.commits import Committed
from jobmgrd.engine import Engine
from jobmgrd.exec import port
from jobmgrd.exec.port import Attempt, ExecEvent, Failed, Finished, Notify, Output, Started
from jobmgrd.jobs.nodes import NodeConfig
from jobmgrd.jobs.scheduler import Scheduler
from jobmgrd.store.memory import MemoryStore
from jobmgrd.store.port import Changes, InactiveRow, StoreError
from protocol import resource_set
from protocol.job_manager import SubmitReply
from protocol.jobspec import from_command, parse

JOBSPEC = from_command(["true"])


class Signal:
    """Lets tests wait until a condition holds that something just changed."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Something changed."""
        self._event.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait, within a bound, until a condition holds."""
        async with asyncio.timeout(10):
            while not condition():
                self._event.clear()
                await self._event.wait()


class Executor(port.Executor):
    """Notes what it is asked, and tells what the test says."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.signals: list[tuple[int, int]] = []
        self.cancelled: list[int] = []
        self.changed = Signal()
        self.tell: Notify = lambda _event: None

    def start(self, attempt: Attempt) -> None:
        """See the port."""
        self.attempts.append(attempt)
        self.changed.set()

    def signal(self, id: int, signum: int) -> None:
        """See the port."""
        self.signals.append((id, signum))

    def cancel(self, id: int) -> None:
        """See the port."""
        self.cancelled.append(id)

    async def terminate(self) -> None:
        """End everything that was started and not ended."""
        for id in self.cancelled:
            self.tell(Finished(id, 15))

    async def close(self) -> None:
        """See the port."""


class FailingStore(MemoryStore):
    """Fails writes while told to, and keeps those that succeed."""

    def __init__(self) -> None:
        super().__init__()
        self.failing = False
        self.held: list[asyncio.Future[None]] | None = None  # writes that wait to be released
        self.on_write: Callable[[Changes], None] = lambda _changes: None

    def write(self, changes: Changes) -> "asyncio.Future[None]":
        """Fail, or write."""
        self.on_write(changes)
        if not self.failing and self.held is None:
            return super().write(changes)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.held is not None:
            super().write(changes)
            self.held.append(future)
            return future
        future.set_exception(StoreError(errno.ENOSPC, "no space left"))
        return future


class Recorder:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.changed = Signal()

    def committed(self, batch: Sequence[Committed]) -> None:
        """See Listener."""
        for item in batch:
            self.names += [json.loads(line)["name"] for line in item.entries]
        self.changed.set()

    async def until(self, name: str) -> None:
        """Wait until an event of this name is durable."""
        await self.changed.until(lambda: name in self.names)


class Bench:
    """An engine with everything around it."""

    def __init__(self) -> None:
        self.store = FailingStore()
        self.executor = Executor()
        self.recorder = Recorder()
        self.now = 1000.0
        self.engine = Engine(
            self.store, Scheduler([NodeConfig(0, "host", 2)]), self._make, lambda: self.now
        )
        self.engine.commits.listen(self.recorder)

    def _make(self, notify: Notify) -> Executor:
        self.executor.tell = notify
        return self.executor

    def submit(self, id: int = 1, urgency: int = 16) -> "asyncio.Future[SubmitReply]":
        """Submit a job."""
        text = json.dumps(JOBSPEC).encode()
        return self.engine.submit(id, parse(JOBSPEC), text, userid=7, urgency=urgency, flags=0)

    async def started(self, id: int) -> None:
        """Wait until an attempt was handed to the executor."""
        attempts = self.executor.attempts
        await self.executor.changed.until(lambda: id in [attempt.id for attempt in attempts])

    def tell(self, event: ExecEvent) -> None:
        """Have the executor tell something."""
        self.executor.tell(event)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """An engine on an open store."""
    made = Bench()
    await made.store.open()
    yield made
    await made.store.close()


async def test_a_job_is_answered_once_it_is_durable(bench: Bench) -> None:
    """The reply waits for the write that carries the job."""
    future = bench.submit()
    assert not future.done()
    assert await future == SubmitReply(1)
    await bench.started(1)


async def test_processes_start_only_after_the_alloc_is_durable(bench: Bench) -> None:
    """So that a job whose start is not on record was never started."""
    await bench.submit()
    await bench.started(1)
    assert "alloc" in bench.recorder.names


async def test_the_end_of_a_job_moves_it_to_history(bench: Bench) -> None:
    """Memory holds active jobs only."""
    await bench.submit()
    await bench.started(1)
    bench.tell(Started(1))
    bench.tell(Output(1, 0, "stdout", b"hello"))
    bench.tell(Finished(1, 256))
    await bench.recorder.until("clean")
    assert not bench.engine.jobs
    row = await bench.store.find(1)
    assert isinstance(row, InactiveRow)
    assert row.status == 256
    assert b"hello" in await bench.store.output(1)


async def test_a_failed_start_is_an_exception(bench: Bench) -> None:
    """With the executor's note."""
    await bench.submit()
    await bench.started(1)
    bench.tell(Failed(1, "command not found: x"))
    await bench.recorder.until("clean")
    assert bench.recorder.names[5:] == ["exception", "finish", "release", "free", "clean"]


async def test_a_cancel_before_the_start_starts_nothing(bench: Bench) -> None:
    """Between alloc and start nothing was run, so nothing has to finish."""
    await bench.submit()

    def cancel_with_the_alloc(changes: Changes) -> None:
        if any(row.R for row in changes.active):
            bench.store.on_write = lambda _changes: None
            bench.engine.raise_exception(bench.engine.jobs[1], "cancel", 0, "")

    bench.store.on_write = cancel_with_the_alloc
    await bench.recorder.until("clean")
    assert not bench.executor.attempts
    assert "finish" not in bench.recorder.names


async def test_no_more_jobs_run_than_fit(bench: Bench) -> None:
    """Two cores, three jobs: the third waits for the first to end."""
    for id in (1, 2, 3):
        await bench.submit(id)
    await bench.started(2)
    bench.tell(Finished(1, 0))
    await bench.started(3)
    assert [attempt.nodes[0].cores for attempt in bench.executor.attempts] == [(0,), (1,), (0,)]


async def test_a_failed_write_answers_its_submits_and_forgets_them(bench: Bench) -> None:
    """Nothing is half done: the job is gone, the id is not, the next submit works."""
    bench.store.failing = True
    with pytest.raises(StoreError) as caught:
        await bench.submit(1)
    assert caught.value.errnum == errno.ENOSPC
    assert not bench.engine.jobs
    bench.store.failing = False
    assert await bench.submit(2) == SubmitReply(2)
    await bench.started(2)
    assert [attempt.id for attempt in bench.executor.attempts] == [2]


async def test_a_failed_write_loses_no_event_of_a_running_job(bench: Bench) -> None:
    """It is written again, in order, when the store has recovered."""
    await bench.submit()
    await bench.started(1)
    bench.store.failing = True
    bench.tell(Started(1))
    bench.tell(Output(1, 0, "stdout", b"first"))
    await asyncio.sleep(0)
    bench.tell(Output(1, 0, "stdout", b"second"))
    bench.tell(Finished(1, 0))
    await asyncio.sleep(0)
    assert "clean" not in bench.recorder.names
    bench.store.failing = False
    await bench.recorder.until("clean")
    assert bench.recorder.names[-6:] == ["alloc", "start", "finish", "release", "free", "clean"]
    output = await bench.store.output(1)
    assert output.index(b"first") < output.index(b"second")


async def test_a_job_whose_last_write_is_under_way_is_awaited_without_another(
    bench: Bench,
) -> None:
    """Its row is written once: a second end would be refused by the store."""
    under_way = Signal()
    await bench.submit()
    await bench.started(1)
    job = bench.engine.jobs[1]
    bench.store.held = []
    bench.store.on_write = lambda _changes: under_way.set()
    bench.tell(Finished(1, 0))
    await under_way.until(lambda: bool(bench.store.held))
    future = bench.engine.durable(job)
    (write,) = bench.store.held
    bench.store.held = None
    write.set_result(None)
    async with asyncio.timeout(10):
        await future
    assert not bench.engine.jobs


async def test_stopping_ends_running_jobs_with_an_exception(bench: Bench) -> None:
    """And waits until that is durable."""
    await bench.submit()
    await bench.started(1)
    bench.tell(Started(1))
    await bench.engine.stop("stopped", leave=False, within=30.0)
    assert bench.recorder.names[-1] == "clean"
    assert isinstance(await bench.store.find(1), InactiveRow)


async def test_a_time_limit_shorter_than_any_clock_tells_is_still_one(
    bench: Bench,
) -> None:
    """An R that ends as it begins would be refused at the next start (scripts/fuzz)."""
    spec = from_command(["true"], duration=1e-300)
    bench.engine.submit(1, parse(spec), json.dumps(spec).encode(), userid=7, urgency=16, flags=0)
    await bench.started(1)
    R = resource_set.parse(bench.engine.jobs[1].R or b"")
    assert R.starttime < R.expiration < R.starttime + 0.01


async def test_a_time_limit_is_an_exception_of_type_timeout(bench: Bench) -> None:
    """The duration counts from the start of execution."""
    spec = from_command(["true"], duration=0.01)
    bench.engine.submit(1, parse(spec), json.dumps(spec).encode(), userid=7, urgency=16, flags=0)
    await bench.started(1)
    await bench.recorder.until("exception")
    assert bench.executor.cancelled == [1]
    bench.tell(Finished(1, 15))
    await bench.recorder.until("clean")
