"""Small rounds of scripts/fuzz and scripts/crash, with dice that are thrown again; their laws."""

from collections.abc import Mapping
from typing import Any

import pytest
from click.testing import CliRunner

from scripts.faults import crash, fuzz
from scripts.faults.ledger import Batch, Known, Promise, Seen, broken, broken_log


@pytest.mark.timeout(120)
def test_a_daemon_that_is_lied_to_serves_others() -> None:
    """Some thousand mutated messages over both transports: no end, no error of its own."""
    result = CliRunner().invoke(fuzz.main, ["--messages=2000", "--seconds=30", "--seed=3"])
    assert result.exit_code == 0, result.output
    assert "messages in" in result.output


@pytest.mark.timeout(120)
def test_a_daemon_that_is_killed_keeps_every_answer() -> None:
    """Some rounds of kill -9."""
    result = CliRunner().invoke(crash.main, ["--rounds=2", "--seconds=30", "--seed=5"])
    assert result.exit_code == 0, result.output
    assert "2 rounds survived" in result.output


@pytest.mark.timeout(120)
def test_a_daemon_whose_disk_fails_keeps_every_answer() -> None:
    """Writes that fail, stall or are torn, questions that cannot be read, and kill -9."""
    result = CliRunner().invoke(crash.main, ["--rounds=4", "--seconds=30", "--seed=6", "--faults"])
    assert result.exit_code == 0, result.output
    assert "4 rounds survived" in result.output
    assert "injected: " in result.output


def event(name: str, **context: object) -> Mapping[str, Any]:
    """An entry of an eventlog."""
    return {"timestamp": 1.0, "name": name, "context": context}


def seen(*events: Mapping[str, Any], pinned: bool = False) -> Seen:
    """A job that is there."""
    return Seen(events, purged=False, pinned=pinned)


GONE = Seen(None, purged=True, pinned=False)
UNKNOWN = Seen(None, purged=False, pinned=False)


@pytest.mark.parametrize(
    ("promise", "now", "text"),
    [
        (Promise(1), UNKNOWN, "it is unknown"),
        (Promise(1, pinned=Known.YES), GONE, "it is pinned, and was purged"),
        (Promise(1, pinned=Known.YES), seen(), "its pin is lost"),
        (Promise(1), seen(pinned=True), "it is pinned, and should not be"),
        (Promise(1, purged=Known.YES), seen(), "it was purged, and is there"),
        (Promise(1, canceled=Known.YES), seen(event("submit")), "it was canceled, and is not"),
        (Promise(1, urgencies=[5]), seen(event("urgency", urgency=6)), "urgencies [5] are lost"),
        (Promise(1, memos=[2]), seen(), "memos [2] are lost"),
        (Promise(1), seen(event("start"), event("start")), "event start is there 2 times"),
    ],
)
def test_the_ledger_finds_an_answer_that_was_undone(promise: Promise, now: Seen, text: str) -> None:
    """Each kind of answer."""
    assert list(broken(promise, now)) == [text]


def test_the_ledger_takes_either_outcome_of_what_was_not_answered() -> None:
    """And holds the daemon to the one that it showed first."""
    promise = Promise(1, canceled=Known.MAYBE, pinned=Known.MAYBE)
    assert list(broken(promise, seen(event("exception", type="cancel"), pinned=True))) == []
    assert list(broken(promise, seen(pinned=True))) == ["it was canceled, and is not"]
    assert list(broken(Promise(1), GONE)) == []


def test_the_purge_log_is_held_to_its_answers() -> None:
    """Gaps, jobs that went twice, and batches that differ from their answer."""
    log = [{"seq": 1, "jobs": [1, 2]}, {"seq": 2, "jobs": [3]}]
    assert list(broken_log([Batch(1, 2)], log)) == []
    assert len(list(broken_log([Batch(2, 2), Batch(3, 1)], log))) == 2
    assert len(list(broken_log([], [log[0], {"seq": 3, "jobs": [2]}]))) == 2
