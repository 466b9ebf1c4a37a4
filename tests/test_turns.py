"""Whose turn it is: clients that come back quickly, and the share of the others meanwhile."""

from itertools import pairwise

import pytest

from jobmgrd import turns as module
from jobmgrd.turns import DEBT_MAX, HOLD, PEERS_MAX, QUICK, SHARE, TIMES, Turns

ROUND_TRIP = QUICK / 10


@pytest.fixture
def fake_clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The times that the clock has told; the last one is now."""
    told: list[float] = []
    monkeypatch.setattr(module, "monotonic", lambda: told[-1])
    return told


def come(turns: Turns, peer: str, gap: float, times: int, now: float = 1.0) -> float:
    """A client that asks so many times, with a gap between; when it asked last."""
    for n in range(times):
        turns.came(peer, now + n * gap)
    return now + (times - 1) * gap


def test_nobody_waits_for_a_client_that_asks_now_and_then() -> None:
    """However often it does, and however small its part of the requests is."""
    turns = Turns()
    now = come(turns, "monitor", 1.5 * QUICK, 100)
    assert not turns.waits("bulk", now)


def test_nobody_waits_for_a_client_that_asks_a_few_things() -> None:
    """As a command does, which ends then."""
    turns = Turns()
    now = come(turns, "command", ROUND_TRIP, TIMES)
    assert not turns.waits("bulk", now)


def test_others_wait_for_a_client_that_comes_back_again_and_again() -> None:
    """Until it has not come for HOLD; it does not wait for itself."""
    turns = Turns()
    now = come(turns, "quick", ROUND_TRIP, TIMES + 1)
    assert turns.waits("bulk", now)
    assert not turns.waits("quick", now)
    assert turns.waits("bulk", now + 0.9 * HOLD)
    assert not turns.waits("bulk", now + HOLD)


def test_one_slow_answer_is_the_end_of_being_quick() -> None:
    """It begins to count anew."""
    turns = Turns()
    now = come(turns, "quick", ROUND_TRIP, TIMES)
    turns.came("quick", now + 2 * QUICK)
    assert not turns.waits("bulk", now + 2 * QUICK)


def test_those_who_wait_have_their_share_of_the_time(fake_clock: list[float]) -> None:
    """The time until the next one is in proportion to what the last one took."""
    turns = Turns()
    fake_clock.append(1.0)
    come(turns, "quick", ROUND_TRIP, TIMES + 1, now=1.0 - TIMES * ROUND_TRIP)
    began: list[float] = []
    while turns.slow(fake_clock[-1]):
        if turns.may(now := fake_clock[-1]):
            began.append(now)
            fake_clock.append(now + 0.001)
            turns.took(now)
        fake_clock.append(fake_clock[-1] + 0.0001)
    assert len(began) > 2
    assert all(after - before >= 0.001 / SHARE - 1e-9 for before, after in pairwise(began))
    assert turns.delay(fake_clock[-1]) == 0


def test_what_was_done_while_nobody_was_quick_is_not_owed(fake_clock: list[float]) -> None:
    """A list of ten seconds does not wait for as many times that."""
    turns = Turns()
    for n in range(1000):
        fake_clock.append((n + 1) * 0.01)
        turns.took(n * 0.01)
    now = come(turns, "quick", ROUND_TRIP, TIMES + 1, now=fake_clock[-1])
    assert turns.waits("bulk", now)
    assert turns.may(now)


def test_what_is_owed_has_a_bound(fake_clock: list[float]) -> None:
    """Whatever had to be handled all the same; a long piece owes for itself."""
    turns = Turns()
    now = come(turns, "quick", ROUND_TRIP, TIMES + 1)
    fake_clock.append(now)
    for _ in range(1000):
        turns.took(now - 0.001)
    assert not turns.may(now + 0.9 * DEBT_MAX)
    assert turns.may(now + 1.1 * DEBT_MAX)
    turns.took(now - 1.0)
    assert turns.may(now + 1.1 * (1 / SHARE - 1))
    assert not turns.may(now + 0.9 * (1 / SHARE - 1))


def test_clients_beyond_number_are_forgotten() -> None:
    """They may come back as often as they like, under as many names."""
    turns = Turns()
    for n in range(3 * PEERS_MAX):
        turns.came(n, float(n))
        assert len(turns._seen) <= PEERS_MAX
