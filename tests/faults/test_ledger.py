"""The laws of scripts/crash: each is broken by what it forbids, and by nothing that may be."""

from collections import Counter
from typing import Any

import pytest

from scripts.faults.ledger import (
    Batch,
    Promise,
    Register,
    Seen,
    broken,
    broken_log,
    broken_runs,
)


def event(name: str, **context: object) -> dict[str, Any]:
    """An event of an eventlog."""
    return {"name": name, "context": context}


CANCEL = event("exception", type="cancel")
LOG = [event("submit"), event("urgency", urgency=3), event("urgency", urgency=7)]


def promise(**answers: object) -> Promise:
    """A job and what its client was answered."""
    made = Promise(1, "a")
    for name, value in answers.items():
        if name in {"canceled", "pinned"}:
            getattr(made, name).ask(value)
            getattr(made, name).answer(value)
        elif name == "urgency":
            made.told["urgency"] = list(value)  # type: ignore[call-overload]
        else:
            setattr(made, name, value)
    return made


def found(made: Promise, seen: Seen) -> list[str]:
    """What does not hold."""
    return list(broken(made, seen, Counter()))


@pytest.mark.parametrize(
    ("answers", "seen"),
    [
        ({}, Seen(LOG, "a")),
        ({}, Seen(None, purged=True)),
        ({"pinned": True}, Seen(LOG, "a", pinned=True)),
        ({"canceled": True}, Seen([*LOG, CANCEL], "a")),
        ({"urgency": [3, 7]}, Seen(LOG, "a")),
        ({"urgency": [7]}, Seen(LOG, "a")),
        ({"purged": True}, Seen(None, purged=True)),
    ],
)
def test_what_may_be_breaks_nothing(answers: dict[str, Any], seen: Seen) -> None:
    """Events of requests that were not answered among it."""
    assert found(promise(**answers), seen) == []


@pytest.mark.parametrize(
    ("answers", "seen", "text"),
    [
        ({}, Seen(None), "it is unknown"),
        ({}, Seen(LOG, "b"), "it is 'b', and 'a' was submitted"),
        ({}, Seen(LOG[1:], "a"), "begins with urgency"),
        ({}, Seen([*LOG, event("start"), event("start")], "a"), "start is there 2 times"),
        ({}, Seen([*LOG, CANCEL], "a"), "canceled is True, and should be False"),
        ({}, Seen(LOG, "a", pinned=True), "pinned is True, and should be False"),
        ({"pinned": True}, Seen(LOG, "a"), "pinned is False, and should be True"),
        ({"pinned": True}, Seen(None, purged=True), "it is pinned, and was purged"),
        ({"canceled": True}, Seen(LOG, "a"), "canceled is False, and should be True"),
        ({"purged": True}, Seen(LOG, "a"), "it was purged, and is there"),
        ({"urgency": [7, 3]}, Seen(LOG, "a"), "urgency events [7, 3] were answered"),
        ({"urgency": [3, 3]}, Seen(LOG, "a"), "urgency events [3, 3] were answered"),
    ],
)
def test_what_must_not_be_breaks_a_law(answers: dict[str, Any], seen: Seen, text: str) -> None:
    """One, and it says which."""
    (law,) = found(promise(**answers), seen)
    assert text in law


def test_what_was_not_answered_is_decided_by_the_first_look() -> None:
    """Until then either may be; a request that was refused is as none."""
    for outcome in (True, False):
        register = Register(value=False)
        register.ask(value=True)
        assert str(register) == "False or True"
        assert register.see(value=outcome)
        assert not register.see(value=not outcome)
    register = Register(value=False)
    register.ask(value=True)
    register.refuse()
    assert not register.see(value=True)


def test_each_law_of_the_purge_log_is_broken_by_what_it_forbids() -> None:
    """And a log as it should be breaks none."""
    log: list[dict[str, Any]] = [{"seq": n, "jobs": [n, n + 10], "epoch": "e"} for n in (1, 2, 3)]
    good = [Batch(2, 2), Batch(3, 2, frozenset({3, 13}))]
    assert list(broken_log(good, log, Counter())) == []
    for batches, records, text in (
        (good, log[:1] + log[2:], "a gap or a seq twice"),
        (good, [*log, {"seq": 4, "jobs": [1], "epoch": "e"}], "purged twice"),
        (good, [*log, {"seq": 4, "jobs": [7], "epoch": "f"}], "2 epochs"),
        ([Batch(2, 3)], log, "purge 2 of 3 jobs is logged with 2"),
        ([Batch(4, 1)], log, "purge 4 of 1 jobs is logged with 0"),
        ([Batch(3, 2, frozenset({3, 12}))], log, "other jobs than it is logged with"),
    ):
        assert any(text in law for law in broken_log(batches, records, Counter())), text


def test_a_job_runs_once_if_it_says_that_it_ran() -> None:
    """Not twice, and not never."""
    done = Seen([*LOG, event("finish", status=0)], "a")
    assert list(broken_runs({1: done, 2: Seen(LOG, "a")}, {1, 2}, Counter({1: 1}))) == []
    assert list(broken_runs({1: done}, {1}, Counter())) == ["job 1 completed, and never ran"]
    assert list(broken_runs({}, set(), Counter({5: 2}))) == ["job 5 ran 2 times"]
