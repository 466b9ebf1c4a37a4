"""A stop has a bound, even if the store's file system hangs, and nothing answered is lost."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest

from jobmgrd.client import ConnectionLostError, RpcError
from tests.conftest import DaemonProcess
from tests.e2e.jobs import events, names, real, run_jobs, simulated, submit, wait_for

STOP_SECONDS: Final = 2.0
KILL_TIMEOUT: Final = 0.2
SLACK: Final = 8.0
"""For a busy machine; a stop without a bound would last until the test kills it."""


@pytest.fixture
def hang(stopped_daemon: DaemonProcess) -> Path:
    """A file; while it is there, the file system of the store hangs."""
    file = stopped_daemon.directory / "hang"
    stopped_daemon.module = "tests.e2e.daemon_under_test"
    stopped_daemon.environ = {"HANG": str(file), "STOP_SECONDS": str(STOP_SECONDS)}
    stopped_daemon.configure(
        f'[exec]\nkill-timeout = "{KILL_TIMEOUT}s"\n[heartbeat]\nperiod = "50ms"\n'
    )
    stopped_daemon.start()
    return file


def stopped_within(daemon: DaemonProcess) -> dict[str, Any]:
    """Stop a daemon that cannot end all; the line that says what it left."""
    begun = time.monotonic()
    assert daemon.stop() == 1
    assert time.monotonic() - begun < KILL_TIMEOUT + STOP_SECONDS + SLACK
    lines = map(json.loads, daemon.log.read_text().splitlines())
    (line,) = [line for line in lines if line["event"] == "daemon.stop-incomplete"]
    return dict(line)


def asked(daemon: DaemonProcess, topic: str, payload: dict[str, Any]) -> Callable[[], bool]:
    """Ask for something on a connection of its own; tells at the end whether it was answered."""
    answers: list[dict[str, Any]] = []

    def ask() -> None:
        with suppress(ConnectionLostError, RpcError):
            answers.append(daemon.rpc(topic, payload))

    thread = threading.Thread(target=ask)
    thread.start()

    def is_answered() -> bool:
        thread.join()
        return bool(answers)

    return is_answered


def test_a_stop_on_a_file_system_that_hangs_has_a_bound(
    stopped_daemon: DaemonProcess, hang: Path
) -> None:
    """Jobs are ended all the same; the next daemon has all that was answered, and their ends."""
    daemon = stopped_daemon
    ended = run_jobs(daemon, 5)
    script = f"echo $$ > {daemon.directory}/pid; exec sleep 60"
    (running,) = submit(daemon, real("sh", "-c", script))
    pid = daemon.directory / "pid"
    while not pid.exists() or not pid.read_text():
        wait_for(daemon, running, "start")  # and then the script comes to its line
    hang.touch()
    unanswered = [
        asked(daemon, "job-ingest.submit", {"jobspec": simulated()}),
        asked(daemon, "job-manager.purge-id", {"id": ended[0], "force": True}),
        asked(daemon, "job-info.lookup", {"id": ended[0], "keys": ["eventlog"], "flags": 0}),
    ]
    while daemon.rpc("job-manager.stats-get")["active_jobs"] < 2:
        pass  # the submit is under way
    left = stopped_within(daemon)
    assert left["waiting_for"] == "requests"
    assert left["unwritten_jobs"] >= 1
    assert [answered() for answered in unanswered] == [False] * 3
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()
    hang.unlink()
    daemon.start()
    assert "finish" in names(events(daemon, running))
    for id in ended:
        assert names(events(daemon, id))[-1] == "clean"


def test_a_store_that_cannot_be_closed_is_left(stopped_daemon: DaemonProcess, hang: Path) -> None:
    """Nothing else is under way: all waits for the last checkpoint."""
    daemon = stopped_daemon
    ended = run_jobs(daemon, 3)
    hang.touch()
    assert stopped_within(daemon)["waiting_for"] == "store"
    hang.unlink()
    daemon.start()
    for id in ended:
        assert names(events(daemon, id))[-1] == "clean"
    assert daemon.stop() == 0
    assert daemon.log.read_text().count("daemon.stop-incomplete") == 1
