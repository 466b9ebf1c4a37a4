"""The daemon's clock."""

import pytest

from jobmgrd.clock import Clock

YEAR = 365 * 86400.0


class Times:
    """Two clocks that a test sets."""

    def __init__(self) -> None:
        self.wall = 1_000_000_000.0
        self.boot = 500.0

    def clock(self) -> Clock:
        """A clock that reads these."""
        return Clock(lambda: self.wall, lambda: self.boot)

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass for both."""
        self.wall += seconds
        self.boot += seconds


@pytest.fixture
def times() -> Times:
    """Clocks that agree."""
    return Times()


def test_it_tells_wall_time(times: Times) -> None:
    """As long as nobody sets the wall clock."""
    clock = times.clock()
    times.pass_seconds(1000)
    assert clock() == 1_000_001_000.0
    assert clock.jump == 0.0


def test_it_follows_drift(times: Times) -> None:
    """Small corrections, as NTP makes them, add up."""
    clock = times.clock()
    for _ in range(100):
        times.pass_seconds(60)
        times.wall += 5
        clock()
    assert clock() == times.wall


@pytest.mark.parametrize("jump", [YEAR, -YEAR, 3600, -61])
def test_it_does_not_follow_a_jump(times: Times, jump: float) -> None:
    """Time goes on as if nothing had happened, and the jump is reported."""
    clock = times.clock()
    times.wall += jump
    times.pass_seconds(10)
    assert clock() == 1_000_000_010.0
    assert clock.jump == pytest.approx(jump)


def test_a_jump_that_is_undone_is_forgotten(times: Times) -> None:
    """The wall clock agrees again."""
    clock = times.clock()
    times.wall += YEAR
    clock()
    times.wall -= YEAR
    times.pass_seconds(1)
    assert clock() == times.wall
    assert clock.jump == 0.0


def test_a_jump_is_taken_over_when_somebody_says_so(times: Times) -> None:
    """A reload or a restart."""
    clock = times.clock()
    times.wall += YEAR
    clock()
    clock.accept()
    assert clock() == times.wall
    assert clock.jump == 0.0
