"""Writes are bounded, so that the end of one does not hold the loop: the oldest changes first."""

from collections.abc import AsyncIterator, Sequence

import pytest
from structlog.testing import capture_logs

from jobmgrd.commits import POSITION, WRITE_MAX, WRITE_SHORT, Committed
from jobmgrd.store.port import Changes, StoreError
from protocol.job_manager import SubmitReply
from tests.test_engine import Bench

COUNT = 2 * WRITE_MAX + 10


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """An engine on an open store, whose writes are noted."""
    made = Bench()
    await made.store.open()
    yield made
    await made.store.close()


def ids(changes: Changes) -> list[int]:
    """The jobs of a write."""
    return [row.id for row in changes.active]


async def test_a_storm_of_submits_is_written_in_parts(bench: Bench) -> None:
    """In the order in which they came; each is answered with its part."""
    writes: list[list[int]] = []
    bench.store.on_write = lambda changes: writes.append(ids(changes))
    futures = [bench.submit(id, urgency=0) for id in range(1, COUNT + 1)]
    assert await futures[0] == SubmitReply(1)
    assert not futures[-1].done()
    assert [await future for future in futures] == [SubmitReply(id) for id in range(1, COUNT + 1)]
    assert [len(write) for write in writes] == [WRITE_MAX, WRITE_MAX, 10]
    assert [id for write in writes for id in write] == list(range(1, COUNT + 1))


async def test_writes_are_short_while_somebody_is_in_a_hurry(bench: Bench) -> None:
    """Which is asked before each of them."""
    writes: list[int] = []
    bench.store.on_write = lambda changes: writes.append(len(changes.active))
    bench.engine.commits.hurried = lambda: len(writes) < 2
    last = [bench.submit(id, urgency=0) for id in range(1, COUNT + 1)][-1]
    assert await last == SubmitReply(COUNT)
    assert writes == [WRITE_SHORT, WRITE_SHORT, WRITE_MAX, COUNT - 2 * WRITE_SHORT - WRITE_MAX]


async def test_how_far_the_executor_has_told_is_written_with_all_of_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has told of a job must not be written without it, or it would tell it again."""
    writes: list[tuple[int, bytes]] = []
    bench.store.on_write = lambda changes: writes.append(
        (len(changes.active), changes.meta.get(POSITION, b""))
    )
    monkeypatch.setattr(type(bench.executor), "position", b"7")
    last = [bench.submit(id, urgency=0) for id in range(1, COUNT + 1)][-1]
    assert await last == SubmitReply(COUNT)
    assert writes == [(COUNT, b"7")]


class Failing:
    """A listener that expects something else."""

    def committed(self, batch: Sequence[Committed]) -> None:
        """See Listener."""
        raise ValueError(f"{len(batch)} jobs")


async def test_a_listener_that_fails_harms_nobody_else(bench: Bench) -> None:
    """What is kept is told to the others, and goes on: its tasks start."""
    bench.engine.commits._listeners.insert(0, Failing())
    with capture_logs() as logged:
        assert await bench.submit(1) == SubmitReply(1)
        await bench.started(1)
    assert bench.recorder.names[0] == "submit"
    failed = [line for line in logged if line["event"] == "commits.listener-failed"]
    assert failed[0]["listener"] == "Failing"


async def test_a_part_that_fails_takes_no_other_with_it(bench: Bench) -> None:
    """Its submits are answered with the error, those of the next part are kept."""
    bench.store.failing = True
    futures = [bench.submit(id, urgency=0) for id in range(1, WRITE_MAX + 2)]
    for future in futures[:WRITE_MAX]:
        with pytest.raises(StoreError, match="no space left"):
            await future
    bench.store.failing = False
    assert await futures[-1] == SubmitReply(WRITE_MAX + 1)
    assert list(bench.engine.jobs) == [WRITE_MAX + 1]
