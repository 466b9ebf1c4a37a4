"""The good client of scripts/fuzz notices what is wrong."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from jobmgrd.client import BlockingClient
from scripts.faults import witness
from scripts.faults.settings import BASE
from scripts.faults.witness import Witness

Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]

RIGHT: Mapping[str, Answer] = {
    "job-manager.ping": lambda asked: asked,
    "job-info.lookup": lambda asked: {"id": asked["id"], "jobspec": "the token"},
    "job-list.list-id": lambda asked: {"job": {"id": asked["id"], "name": "simulated"}},
    "config.get": lambda _: BASE,
    "job-manager.stats-get": lambda _: {"purge": {"age_limit": -1.0, "num_limit": 200}},
    "heartbeat.stats-get": lambda _: {"period": 1.0},
    "job-manager.queue-list": lambda _: {"queues": ["fuzz", "good"]},
    "job-manager.jobtap": lambda _: {"plugins": []},
}


class Answering:
    """A client that is answered so, but for one topic."""

    def __init__(self, topic: str = "", answer: Mapping[str, Any] | None = None) -> None:
        self._answers = dict(RIGHT)
        if answer is not None:
            self._answers[topic] = lambda _: answer

    def rpc(self, topic: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """What is said."""
        return self._answers[topic](payload)


def asking(client: Answering) -> Witness:
    """The witness of a job that has the token."""
    made = Witness(cast("BlockingClient", client), Path("none"))
    made._kept, made._token = 5, "token"
    return made


def test_a_witness_that_is_answered_rightly_says_nothing() -> None:
    """In the midst of an attack, and of the configuration."""
    made = asking(Answering())
    assert [*made.under_attack(), *made._torn()] == []
    assert "3 answers under attack" in made.report()


@pytest.mark.parametrize(
    ("topic", "answer", "text"),
    [
        ("job-manager.ping", {"token": "another"}, "ping answered"),
        ("job-info.lookup", {"id": 6, "jobspec": "the token"}, "was looked up as"),
        ("job-info.lookup", {"id": 5, "jobspec": "another"}, "was looked up as"),
        ("job-list.list-id", {"job": {"id": 5, "name": "x"}}, "is listed as"),
    ],
)
def test_a_wrong_answer_is_noticed(topic: str, answer: Mapping[str, Any], text: str) -> None:
    """It is another's, or of another job."""
    (found,) = asking(Answering(topic, answer)).under_attack()
    assert text in found


def test_a_late_answer_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """However right it is."""
    monkeypatch.setattr(witness, "SLOW", -1.0)
    (found,) = asking(Answering()).under_attack()
    assert "an answer took" in found


@pytest.mark.parametrize(
    ("topic", "answer", "text"),
    [
        ("heartbeat.stats-get", {"period": 2.0}, "torn"),
        ("job-manager.stats-get", {"purge": {"age_limit": -1.0, "num_limit": 5}}, "torn"),
        ("job-manager.queue-list", {"queues": ["good"]}, "torn"),
        ("job-manager.jobtap", {"plugins": ["user-limits"]}, "torn"),
        ("config.get", {"heartbeat": {"period": 5}}, "that is none"),
    ],
)
def test_a_torn_configuration_is_noticed(topic: str, answer: Mapping[str, Any], text: str) -> None:
    """Something else is in force than what is shown."""
    (found,) = asking(Answering(topic, answer))._torn()
    assert text in found
