"""Simulated attempts: events in order, ends by time, by signal and by cancel."""

import signal
from math import inf

import pytest

from jobmgrd.exec.port import Failed, Finished, Started
from jobmgrd.exec.simulated import SimulatedExecutor
from tests.exec.recorder import Recorder, attempt


@pytest.fixture
def simulated(told: Recorder) -> SimulatedExecutor:
    """A simulated executor whose events are recorded."""
    return SimulatedExecutor(told)


async def test_attempt_starts_and_finishes(told: Recorder, simulated: SimulatedExecutor) -> None:
    """An attempt is started, then finished with the status it asks for."""
    simulated.start(attempt(run_duration=0.001, simulate_status=256))
    await told.end()
    assert told.events[1] == [Started(1), Finished(1, 256)]


async def test_attempts_end_in_the_order_of_their_durations(
    told: Recorder, simulated: SimulatedExecutor
) -> None:
    """The run duration decides when an attempt ends, not the order of starts."""
    simulated.start(attempt(id=1, run_duration=0.05))
    simulated.start(attempt(id=2, run_duration=0.001))
    assert [(await told.end()).id, (await told.end()).id] == [2, 1]


async def test_attempt_without_a_duration_lasts(
    told: Recorder, simulated: SimulatedExecutor
) -> None:
    """An attempt of 0 seconds runs until it is ended (job-exec/testexec.c)."""
    simulated.start(attempt(id=1, run_duration=0.0))
    simulated.start(attempt(id=2, run_duration=0.001))
    assert await told.end() == Finished(2, 0)
    simulated.cancel(1)
    assert await told.end() == Finished(1, 15)


async def test_exception_fails_the_start(told: Recorder, simulated: SimulatedExecutor) -> None:
    """A simulated exception fails the attempt with its note, and it never starts."""
    simulated.start(attempt(run_duration=1.0, simulate_exception="no such luck"))
    await told.end()
    assert told.events[1] == [Failed(1, "no such luck")]


async def test_calls_never_notify(told: Recorder, simulated: SimulatedExecutor) -> None:
    """Nothing is told from inside a call, so a caller may hold a half-made change."""
    simulated.start(attempt(run_duration=inf))
    simulated.cancel(1)
    assert not told.events
    await told.end()
    assert told.events[1] == [Started(1), Finished(1, 15)]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGUSR1])
async def test_signal_ends_with_its_wait_status(
    told: Recorder, simulated: SimulatedExecutor, signum: int
) -> None:
    """A signal that ends processes ends the attempt at once, with the signal as wait status."""
    simulated.start(attempt(run_duration=inf))
    await told.start()
    simulated.signal(1, signum)
    assert await told.end() == Finished(1, signum)


@pytest.mark.parametrize("signum", [0, signal.SIGCONT, signal.SIGSTOP, signal.SIGWINCH, 99])
async def test_harmless_signal_changes_nothing(
    told: Recorder, simulated: SimulatedExecutor, signum: int
) -> None:
    """A signal that a process survives by default does not end the attempt."""
    simulated.start(attempt(run_duration=0.01))
    await told.start()
    simulated.signal(1, signum)
    assert await told.end() == Finished(1, 0)


async def test_end_is_told_once(told: Recorder, simulated: SimulatedExecutor) -> None:
    """Signals on the heels of each other, and those for unknown jobs, end nothing twice."""
    simulated.start(attempt(id=1, run_duration=inf))
    simulated.start(attempt(id=2, run_duration=inf))
    await told.start()
    simulated.cancel(1)
    simulated.signal(1, signal.SIGKILL)
    simulated.cancel(3)
    simulated.cancel(2)
    await told.end()
    await told.end()
    await simulated.terminate()
    assert told.events == {1: [Started(1), Finished(1, 15)], 2: [Started(2), Finished(2, 15)]}


async def test_old_timer_does_not_end_a_new_attempt(
    told: Recorder, simulated: SimulatedExecutor
) -> None:
    """A job that was cancelled and started again lasts as long as its new attempt says."""
    simulated.start(attempt(id=1, run_duration=0.01))
    simulated.cancel(1)
    await told.end()
    simulated.start(attempt(id=1, run_duration=inf))
    simulated.start(attempt(id=2, run_duration=0.02))
    assert await told.end() == Finished(2, 0)
    assert told.events[1][2:] == [Started(1)]


async def test_terminate_ends_all(told: Recorder, simulated: SimulatedExecutor) -> None:
    """Terminating ends what runs and what is yet to start, twice is as good as once."""
    simulated.start(attempt(id=1, run_duration=inf))
    await told.start()
    simulated.start(attempt(id=2, run_duration=inf))
    await simulated.terminate()
    await simulated.terminate()
    simulated.start(attempt(id=3, run_duration=inf))
    assert await told.until(lambda event: event.id == 3) == Failed(3, "executor is closed")
    assert told.events[1] == [Started(1), Finished(1, 15)]
    assert told.events[2] == [Finished(2, 15)]
