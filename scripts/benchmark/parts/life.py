"""Running jobs: how fast they are ended, and what a thousand of them cost."""

import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from jobmgrd.client import BlockingClient
from jobmgrd.exec import wire
from protocol import eventlog
from protocol.jobspec import from_command
from scripts.benchmark.daemon import Daemon, resident
from scripts.benchmark.errors import MeasurementError
from scripts.benchmark.figures import Reading, percentile
from scripts.benchmark.jobs import ENVIRONMENT
from scripts.benchmark.run import Case, Part, Run

CANCELS, QUICK_CANCELS = 100, 20
RUNNING, QUICK_RUNNING = 1000, 200
WATCHED, QUICK_WATCHED = 5.0, 1.0
"""Seconds for which processor time is counted."""
SETTLED: Final = 1.0
"""Seconds until what the last start has caused is done."""


def cases(run: Run) -> Sequence[Case]:
    """One job after the other, then many at once."""
    cancels, running = (QUICK_CANCELS, QUICK_RUNNING) if run.quick else (CANCELS, RUNNING)
    watched = QUICK_WATCHED if run.quick else WATCHED
    return [
        Case(f"{cancels} cancels", partial(cancel, count=cancels)),
        Case(
            f"{running:,} running",
            partial(running_jobs, count=running, seconds=watched),
            slow=True,
        ),
    ]


def cancel(run: Run, count: int) -> Sequence[Reading]:
    """Cancel jobs that run, one after the other: from the exception's event to the clean event."""
    with run.state() as state, Daemon(state) as daemon, daemon.client() as client:
        taken = [_cancel_one(client) for _ in range(count)]
    return [
        Reading("cancel to clean, p50", percentile(taken, 50), "ms"),
        Reading("cancel to clean, p99", percentile(taken, 99), "ms"),
    ]


def running_jobs(run: Run, count: int, seconds: float) -> Sequence[Reading]:
    """Have many jobs run that do nothing, then cancel all of them."""
    with run.state() as state, Daemon(state) as daemon, daemon.client() as client:
        empty = resident(daemon.pid)
        start = time.monotonic()
        ids = [client.rpc("job-ingest.submit", {"jobspec": _sleep()})["id"] for _ in range(count)]
        _until_started(client, ids[-1])
        started = count / (time.monotonic() - start)
        time.sleep(SETTLED)
        supervisor = _supervisor(daemon)
        before = _cpu(daemon.pid) + _cpu(supervisor)
        time.sleep(seconds)
        used = (_cpu(daemon.pid) + _cpu(supervisor) - before) / seconds
        held, supervised = resident(daemon.pid), resident(supervisor)
        start = time.monotonic()
        client.rpc("job-manager.raiseall", _ALL)
        _until_none(client)
        ended = count / (time.monotonic() - start)
    many = f"{count:,} running sleeps"
    return [
        Reading(f"{many}: started", started, "job/s"),
        Reading(f"{many}: CPU", used * 100, "%"),
        Reading(f"{many}: daemon", (held - empty) * 1024 / count, "KiB/job"),
        Reading(f"{many}: supervisor", supervised, "MiB"),
        Reading(f"{many}: cancelled at once", ended, "job/s"),
    ]


_ALL: Final = {
    "dry_run": False,
    "userid": os.getuid(),
    "states": 0x7F,
    "type": "cancel",
    "severity": 0,
    "note": "",
}


def _sleep() -> dict[str, Any]:
    return from_command(["sleep", "3600"], cwd="/", environment=ENVIRONMENT)


def _cancel_one(client: BlockingClient) -> float:
    """Run a job, cancel it; milliseconds."""
    id = client.rpc("job-ingest.submit", {"jobspec": _sleep()})["id"]
    times: dict[str, float] = {}
    for answer in client.stream("job-info.eventlog-watch", {"id": id, "path": "eventlog"}):
        for entry in eventlog.decode(answer["event"].encode()):
            times[entry.name] = entry.timestamp
            if entry.name == "start":
                client.rpc("job-manager.raise", {"id": id, "type": "cancel", "severity": 0})
    return (times["clean"] - times["exception"]) * 1e3


def _until_started(client: BlockingClient, id: int) -> None:
    """Wait until a job has started; those before it have, too."""
    for answer in client.stream("job-info.eventlog-watch", {"id": id, "path": "eventlog"}):
        if any(entry.name == "start" for entry in eventlog.decode(answer["event"].encode())):
            return
    raise MeasurementError("a job did not start")


def _until_none(client: BlockingClient) -> None:
    """Wait until no job is active."""
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        found = client.rpc("job-list.job-stats")["job_states"]
        if found["total"] == found["inactive"]:
            return
        time.sleep(0.02)
    raise MeasurementError(f"jobs do not end: {found}")


def _cpu(pid: int) -> float:
    """Seconds of processor time that a process has used (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _supervisor(daemon: Daemon) -> int:
    """The pid of the daemon's supervisor, which answers a Hello of any version."""
    hello = wire.Hello(version=0, uuid="", number=0, kill_timeout=0.0, output_limit=0)
    with _connected(f"{daemon.uri}/exec") as sock:
        sock.sendall(b"".join(wire.frames([wire.encode(hello)])))
        for frame in wire.Unframer().feed(sock.recv(1 << 16)):
            (welcome,) = msgspec.msgpack.decode(frame, type=list[wire.Welcome])
            return int(welcome.pid)
    raise MeasurementError("the supervisor does not answer")


@contextmanager
def _connected(path: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20.0)
        sock.connect(path)
        yield sock


PART = Part(
    "life",
    "running jobs: cancel to clean, a thousand at once",
    cases,
    bound=60,
    quick_bound=6,
)
