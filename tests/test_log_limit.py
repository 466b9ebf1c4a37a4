"""A log that is flooded keeps what is rare, and says what it left out."""

import pytest
import structlog

from jobmgrd.log_limit import EVENTS_MAX, LogLimit


class Clock:
    """Seconds as the test sets them."""

    t = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.t


@pytest.fixture
def clock() -> Clock:
    """The time that the limit goes by."""
    return Clock()


@pytest.fixture
def limit(clock: Clock) -> LogLimit:
    """Three lines of an event in ten seconds."""
    return LogLimit(burst=3, period=10.0, monotonic=clock)


def passes(limit: LogLimit, event: str, method: str = "info") -> bool:
    """Whether a line is logged."""
    try:
        limit.process(None, method, {"event": event})
    except structlog.DropEvent:
        return False
    return True


def test_what_comes_too_often_is_left_out_and_counted(limit: LogLimit, clock: Clock) -> None:
    """The first line of the next period says how many; after it, all is as before."""
    assert [passes(limit, "flood") for _ in range(5)] == [True] * 3 + [False] * 2
    assert limit.suppressed == 2
    clock.t = 10.0
    assert limit.process(None, "info", {"event": "flood"}) == {"event": "flood", "suppressed": 2}
    assert limit.process(None, "info", {"event": "flood"}) == {"event": "flood"}


def test_other_events_and_debug_lines_are_not_limited(limit: LogLimit) -> None:
    """A flood of one costs the others nothing."""
    assert not all(passes(limit, "flood") for _ in range(9))
    assert passes(limit, "rare", "error")
    assert all(passes(limit, "detail", "debug") for _ in range(9))


def test_it_remembers_a_bounded_number_of_events(limit: LogLimit) -> None:
    """Names that come from elsewhere cannot fill the memory."""
    for n in range(3 * EVENTS_MAX):
        passes(limit, f"event-{n}")
    assert len(limit._seen) <= EVENTS_MAX
