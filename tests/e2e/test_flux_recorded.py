"""Exchanges of flux's commands with a flux-core 0.88 broker, played again to the daemon.

A file of tests/e2e/recorded has the messages of one command line, in their order: what it sent on
which connection, and what the broker answered. The requests are sent to the daemon as they are, but
for the ids of jobs, which become those that the daemon gave, and for the signature, which becomes
that of the user who runs the test. Each answer has to have the broker's errnum, its keys, and
values of its types, so that the command would understand it; an eventlog has its events.
"""

import json
import os
from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protocol.jobspec import from_command
from tests.conftest import DaemonProcess
from tests.local_client import STREAMING, LocalClient, Received, message

RECORDED = sorted((Path(__file__).parent / "recorded").glob("*.json"))

LACKS = {
    "annotations",  # the scheduler has nothing to add
    "expiration",  # nothing here expires
    "nslots",  # of R, for a job shell
    "config",  # of housekeeping, in the stats of job-manager
}
"""Keys that clients do without."""

STORY = {
    "exception_type",
    "exception_severity",
    "exception_note",
    "t_run",
    "t_cleanup",
    "t_inactive",
}
STORY |= {"success", "result", "waitstatus", "ranks", "nodelist", "nnodes"}
"""Keys that a listed job has or not, by what became of it."""

NO_SHELL = {"shell.task-exit", "shell-exit"}
"""Events of a job shell, of which there is none here."""


@pytest.fixture(scope="module")
def daemon_with_history(shared_daemon: DaemonProcess) -> DaemonProcess:
    """A daemon that has run something, as the broker had."""
    with shared_daemon.client() as client:
        for command in (["echo", "x"], ["false"]):
            id = client.rpc("job-ingest.submit", {"jobspec": from_command(command, cwd="/")})["id"]
            for _ in client.stream("job-info.eventlog-watch", {"id": id, "path": "eventlog"}):
                pass
    return shared_daemon


class Player:
    """Plays one recording: sends what was sent, and compares what comes with what came."""

    def __init__(self, rundir: Path) -> None:
        self._rundir = rundir
        self._connections: dict[int, LocalClient] = {}
        self._received: dict[tuple[int, int], list[Received]] = defaultdict(list)
        self._streams: dict[tuple[int, int], list[Any]] = {}
        self._ids: dict[int, int] = {}
        self._services: dict[str, str] = {}

    def close(self) -> None:
        """Disconnect."""
        for connection in self._connections.values():
            connection.socket.close()

    def send(self, step: dict[str, Any]) -> None:
        """Send a recorded request."""
        number, tag = step["conn"], step["matchtag"]
        if number not in self._connections:
            self._connections[number] = LocalClient(self._rundir)
        self._streams.pop((number, tag), None)
        if step["flags"] & STREAMING:
            self._streams[number, tag] = []
        payload = self._payload(step["payload"])
        service, _, method = step["send"].rpartition(".")
        topic = f"{self._services.get(service, service)}.{method}"
        data = message(topic, payload, matchtag=tag, flags=step["flags"])
        self._connections[number].socket.sendall(data)

    def compare(self, step: dict[str, Any]) -> None:
        """Await the answer that a recorded response stands for, and compare."""
        key = step["conn"], step["matchtag"]
        if key not in self._streams:
            response = self._next(key)
            assert response.number == step["errnum"], (step, response)
            if not response.number:
                self._learn(step["payload"], _value(response))
                _compare(step["payload"], _value(response), step["receive"])
        elif step["errnum"]:
            while not (response := self._next(key)).number:
                self._streams[key].append(_value(response))
            assert response.number == step["errnum"], (step, response)
        else:
            self._await_value(key, step["payload"], step["receive"])

    def _await_value(self, key: tuple[int, int], recorded: Any, topic: str) -> None:  # noqa: ANN401 - JSON
        """A stream may tell the same in fewer or more messages than the broker's."""
        values = self._streams[key]
        for event in _events(recorded):
            while event["name"] not in NO_SHELL and not _has(event, values, topic):
                self._receive_value(key, topic)
                self._learn_service(event, _events(values[-1]))
        if not values:
            self._receive_value(key, topic)
        if not _events(recorded):
            _compare(recorded, values[0], topic)

    def _receive_value(self, key: tuple[int, int], topic: str) -> None:
        response = self._next(key)
        assert not response.number, (topic, self._streams[key], response)
        self._streams[key].append(_value(response))

    def _learn_service(self, recorded: dict[str, Any], ours: list[dict[str, Any]]) -> None:
        for event in ours:
            if event["name"] == recorded["name"] == "shell.init":
                self._services[recorded["context"]["service"]] = event["context"]["service"]

    def _next(self, key: tuple[int, int]) -> Received:
        number, _ = key
        while not self._received[key]:
            response = self._connections[number].receive()
            self._received[number, response.matchtag].append(response)
        return self._received[key].pop(0)

    def _learn(self, recorded: Any, ours: Any) -> None:  # noqa: ANN401 - JSON
        """Note which of our jobs stands for which recorded one."""
        if not isinstance(recorded, dict) or not isinstance(ours, dict):
            return
        if isinstance(recorded.get("id"), int):
            self._ids[recorded["id"]] = ours["id"]
        for theirs, mine in zip(recorded.get("jobs", []), ours.get("jobs", []), strict=False):
            if isinstance(theirs, int):
                self._ids[theirs] = mine
            else:
                self._learn(theirs, mine)

    def _payload(self, recorded: Any) -> bytes | None:  # noqa: ANN401 - JSON
        if recorded is None:
            return None
        if "text" in recorded:
            return f"{recorded['text']}\0".encode()
        value = self._translated(recorded)
        if "J" in value:
            value["J"] = signed(value["J"])
        return json.dumps(value).encode() + b"\0"

    def _translated(self, value: Any) -> Any:  # noqa: ANN401 - JSON
        if isinstance(value, dict):
            return {key: self._translated(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._translated(item) for item in value]
        return self._ids.get(value, value) if isinstance(value, int) else value


def signed(jobspec: dict[str, Any]) -> str:
    """A jobspec as RFC 39 has it, with mechanism none."""
    head = f"version\0i1\0userid\0i{os.getuid()}\0mechanism\0snone\0".encode()
    return f"{b64encode(head).decode()}.{b64encode(json.dumps(jobspec).encode()).decode()}.none"


def _value(response: Received) -> Any:  # noqa: ANN401 - JSON
    if response.payload is None:
        return None
    return response.value if response.payload.startswith(b"{") else {"text": response.text}


def _events(value: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
    """The entries of an eventlog that a response has, as text or (recorded) as objects."""
    found = value.get("event", []) if isinstance(value, dict) else []
    return [json.loads(line) for line in found.splitlines()] if isinstance(found, str) else found


def _has(event: dict[str, Any], values: list[Any], topic: str) -> bool:
    """Whether an event like the recorded one is among these values."""
    for found in (found for value in values for found in _events(value)):
        if found["name"] == event["name"]:
            try:
                _compare(event, found, topic)
            except AssertionError:
                continue
            return True
    return False


def _may_lack(key: str, value: Any) -> bool:  # noqa: ANN401 - JSON
    nothing_else = isinstance(value, dict) and value and not value.keys() - LACKS
    return key in LACKS or bool(nothing_else)


def _compare(recorded: Any, ours: Any, where: str) -> None:  # noqa: ANN401 - JSON
    if recorded is None:
        assert not ours, (where, ours)
    elif isinstance(recorded, dict):
        assert isinstance(ours, dict), (where, recorded, ours)
        if where.endswith("jobspec"):
            return  # of which job, differs
        needed = {key: value for key, value in recorded.items() if not _may_lack(key, value)}
        for key in needed.keys() - (STORY - ours.keys() if "t_submit" in recorded else set()):
            assert key in ours, (where, key, recorded, ours)
            _compare(recorded[key], ours[key], f"{where} {key}")
    elif isinstance(recorded, list):
        assert isinstance(ours, list), (where, recorded, ours)
        if recorded and ours:
            _compare(recorded[0], ours[0], f"{where}[]")
    elif isinstance(recorded, int | float) and not isinstance(recorded, bool):
        assert isinstance(ours, int | float), (where, recorded, ours)
    else:
        assert type(ours) is type(recorded), (where, recorded, ours)


@pytest.fixture
def player(daemon_with_history: DaemonProcess) -> Iterator[Player]:
    """A player connected to the daemon."""
    made = Player(daemon_with_history.rundir)
    yield made
    made.close()


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_the_daemon_answers_as_the_broker_did(player: Player, path: Path) -> None:
    """RFC 3 and the RFC of each service, as one command uses them."""
    for step in json.loads(path.read_text())["steps"]:
        if "send" in step:
            player.send(step)
        else:
            player.compare(step)


def test_there_are_recordings() -> None:
    """A lost directory would make no test of the above."""
    assert len(RECORDED) > 20
