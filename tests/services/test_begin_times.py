"""Begin times: in order, by the clock, and nothing is left of jobs that do not wait any more."""

import asyncio

from jobmgrd.services.begin_times import BeginTimes


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """UNIX time."""
        return self.now


async def test_jobs_that_do_not_wait_any_more_leave_nothing() -> None:
    """However far away their times were."""
    came: list[int] = []
    times = BeginTimes(Clock(), lambda job, _: came.append(job))
    for id in range(1000):
        times.add(1e9 + id, id, "x")
    for id in range(999):
        times.drop(id)
    assert len(times) == 1
    assert len(times._heap) < 100
    times.drop(7)
    assert not came


async def test_times_come_in_order_when_the_clock_reaches_them() -> None:
    """Whoever has been dropped is passed over; the timer only wakes up to look."""
    came: list[tuple[int, str]] = []
    clock = Clock()
    times = BeginTimes(clock, lambda job, text: came.append((job, text)))
    for t, id in ((1003.0, 3), (1001.0, 1), (1002.0, 2), (999.0, 0)):
        times.add(t, id, f"begin-time={t}")
    assert came == [(0, "begin-time=999.0")]
    times.drop(2)
    clock.now = 1002.5
    times.look()
    assert came[1:] == [(1, "begin-time=1001.0")]


async def test_the_timer_looks_by_itself() -> None:
    """When the first time comes."""
    came = asyncio.Event()
    loop = asyncio.get_running_loop()
    times = BeginTimes(loop.time, lambda _id, _text: came.set())
    times.add(loop.time() + 0.02, 1, "x")
    async with asyncio.timeout(10):
        await came.wait()
