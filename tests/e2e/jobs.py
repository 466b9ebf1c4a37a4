"""Jobs for end to end tests: submitted through the client library, simulated unless said."""

import json
from collections.abc import Sequence
from typing import Any

from protocol.jobspec import from_command, set_attribute
from tests.conftest import DaemonProcess

SYSTEM_PATH = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


QUEUES = """
[policy.jobspec.defaults.system]
queue = "plain"
[queues.plain]
[queues.batch]
[queues.debug]
"""


def start_queues(daemon: DaemonProcess) -> None:
    """Let queues start jobs; as new ones they do not."""
    daemon.rpc("job-manager.queue-start", {"start": True, "all": True})


def simulated(duration: str | None = "1ms", **options: Any) -> dict[str, Any]:  # noqa: ANN401
    """The jobspec of a simulated job; without duration it runs until cancelled."""
    jobspec = from_command(["simulated"], **options)
    set_attribute(jobspec, "system.exec.test.run_duration", duration or "0")
    return jobspec


def real(*command: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401
    """The jobspec of real processes."""
    return from_command(command, **({"environment": SYSTEM_PATH} | options))


def submit(daemon: DaemonProcess, *jobspecs: dict[str, Any]) -> list[int]:
    """Submit jobs; their ids."""
    with daemon.client() as client:
        return [client.rpc("job-ingest.submit", {"jobspec": j})["id"] for j in jobspecs]


def events(daemon: DaemonProcess, id: int) -> list[dict[str, Any]]:
    """The eventlog of a job, once it is complete."""
    return wait_for(daemon, id, "clean")


def wait_for(daemon: DaemonProcess, id: int, name: str) -> list[dict[str, Any]]:
    """Wait until an event is in a job's eventlog; all events up to there."""
    seen = []
    with daemon.client() as client:
        for reply in client.stream("job-info.eventlog-watch", {"id": id, "path": "eventlog"}):
            seen.append(json.loads(reply["event"]))
            if seen[-1]["name"] == name:
                return seen
    raise AssertionError(f"{name} is not in {[event['name'] for event in seen]}")


def names(eventlog: Sequence[dict[str, Any]]) -> list[str]:
    """The names of events."""
    return [event["name"] for event in eventlog]


def run_jobs(daemon: DaemonProcess, count: int, duration: str | None = "1ms") -> list[int]:
    """Run simulated jobs; their ids in the order of their end, or of submission without one."""
    ids = submit(daemon, *[simulated(duration)] * count)
    if duration is None:
        return ids
    ended = {id: events(daemon, id)[-1]["timestamp"] for id in ids}
    return sorted(ids, key=lambda ended_id: (ended[ended_id], ended_id))
