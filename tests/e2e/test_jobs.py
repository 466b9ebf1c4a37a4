"""Jobs from submit to end, with real processes."""

import errno
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from protocol import job_output, signature
from protocol.errors import RpcError
from protocol.eventlog import decode
from protocol.job import Result
from protocol.jobspec import from_command, set_attribute
from tests.conftest import DaemonProcess
from tests.e2e.jobs import events, names, real, simulated, submit, wait_for

LIFE = [
    "submit",
    "validate",
    "depend",
    "priority",
    "alloc",
    "start",
    "finish",
    "release",
    "free",
    "clean",
]


def run(daemon: DaemonProcess, jobspec: dict[str, Any]) -> list[dict[str, Any]]:
    """Run a job; its eventlog."""
    return events(daemon, submit(daemon, jobspec)[0])


def finish_status(eventlog: list[dict[str, Any]]) -> int:
    """The wait status of the finish event."""
    status = next(event for event in eventlog if event["name"] == "finish")["context"]["status"]
    assert isinstance(status, int)
    return status


def exceptions(eventlog: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The contexts of exception events."""
    return [event["context"] for event in eventlog if event["name"] == "exception"]


def listed(daemon: DaemonProcess, id: int) -> dict[str, Any]:
    """A job's attributes."""
    jobs = daemon.rpc("job-list.list", {"max_entries": 0, "attrs": ["all"]})["jobs"]
    found: dict[str, Any] = next(job for job in jobs if job["id"] == id)
    return found


def test_a_job_runs_for_real(shared_daemon: DaemonProcess, tmp_path: Path) -> None:
    """RFC 21: the events of a whole life; command, cwd and environment are the job's."""
    script = 'printf "%s %s" "$GREETING" "$FLUX_TASK_RANK" > here; exit 3'
    jobspec = real("sh", "-c", script, cwd=str(tmp_path), environment={"GREETING": "hello"})
    eventlog = run(shared_daemon, jobspec)
    assert names(eventlog) == LIFE
    assert finish_status(eventlog) == 3 << 8
    assert (tmp_path / "here").read_text() == "hello 0"


def test_output_is_kept_with_the_job(shared_daemon: DaemonProcess) -> None:
    """RFC 24: a header, data of both streams and every rank, eof."""
    jobspec = real("sh", "-c", "echo out $FLUX_TASK_RANK; echo err >&2", num_tasks=2)
    id = submit(shared_daemon, jobspec)[0]
    events(shared_daemon, id)
    reply = shared_daemon.rpc("job-info.lookup", {"id": id, "keys": ["guest.output"]})
    entries = decode(reply["guest.output"].encode())
    assert entries[0].name == "header"
    chunks = [chunk for entry in entries if (chunk := job_output.chunk_of(entry))]
    for rank in (0, 1):
        text = b"".join(c.data for c in chunks if (c.stream, c.rank) == ("stdout", rank))
        assert text == b"out %d\n" % rank
    assert {(c.stream, c.rank) for c in chunks if c.eof} == {
        (stream, rank) for stream in ("stdout", "stderr") for rank in (0, 1)
    }


def test_output_can_be_followed_while_the_job_runs(
    shared_daemon: DaemonProcess, tmp_path: Path
) -> None:
    """job-info.eventlog-watch of guest.output: what was written, then what is."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    id = submit(shared_daemon, real("sh", "-c", f"echo one; cat {fifo}"))[0]
    seen = b""
    with shared_daemon.client() as client:
        request = {"id": id, "path": "guest.output"}
        for reply in client.stream("job-info.eventlog-watch", request):
            chunk = job_output.chunk_of(decode(reply["event"].encode())[0])
            seen += chunk.data if chunk else b""
            if chunk and chunk.data == b"one\n":
                fifo.write_text("two\n")
    assert seen == b"one\ntwo\n"


@pytest.mark.parametrize(
    ("jobspec", "note"),
    [
        (real("no-such-command"), "no-such-command"),
        (real("true", cwd="/no/such/directory"), "/no/such/directory"),
    ],
)
def test_what_cannot_start_ends_with_an_exception_that_helps(
    shared_daemon: DaemonProcess, jobspec: dict[str, Any], note: str
) -> None:
    """RFC 21: type exec, severity 0; the note names the command or the directory."""
    eventlog = run(shared_daemon, jobspec)
    assert [context["type"] for context in exceptions(eventlog)] == ["exec"]
    assert note in exceptions(eventlog)[0]["note"]
    assert finish_status(eventlog) == 127 << 8


def test_a_cancelled_job_ends_by_SIGTERM(shared_daemon: DaemonProcess) -> None:  # noqa: N802
    """Cancel is an exception of severity 0; its answer is durable."""
    id = submit(shared_daemon, real("sleep", "60"))[0]
    wait_for(shared_daemon, id, "start")
    request = {"id": id, "type": "cancel", "severity": 0, "note": "enough"}
    shared_daemon.rpc("job-manager.raise", request)
    eventlog = events(shared_daemon, id)
    assert exceptions(eventlog)[0]["note"] == "enough"
    assert finish_status(eventlog) == signal.SIGTERM
    assert listed(shared_daemon, id)["result"] == Result.CANCELED


def test_a_job_over_its_time_limit_times_out(shared_daemon: DaemonProcess) -> None:
    """The duration of the jobspec holds."""
    id = submit(shared_daemon, real("sleep", "60", duration=0.2))[0]
    assert exceptions(events(shared_daemon, id))[0]["type"] == "timeout"
    assert listed(shared_daemon, id)["result"] == Result.TIMEOUT


def test_what_ignores_SIGTERM_is_killed(stopped_daemon: DaemonProcess) -> None:  # noqa: N802
    """SIGKILL follows after kill-timeout."""
    stopped_daemon.configure('[exec]\nkill-timeout = "100ms"\n')
    stopped_daemon.start()
    script = "trap '' TERM; echo ready; while :; do sleep 1; done"
    id = submit(stopped_daemon, real("sh", "-c", script))[0]
    with stopped_daemon.client() as client:
        request = {"id": id, "path": "guest.output"}
        for reply in client.stream("job-info.eventlog-watch", request):
            if "ready" in reply["event"]:
                client.rpc("job-manager.raise", {"id": id, "type": "cancel", "severity": 0})
    assert finish_status(events(stopped_daemon, id)) == signal.SIGKILL


def test_a_signal_reaches_a_running_job(shared_daemon: DaemonProcess) -> None:
    """job-manager.kill."""
    id = submit(shared_daemon, real("sleep", "60"))[0]
    wait_for(shared_daemon, id, "start")
    shared_daemon.rpc("job-manager.kill", {"id": id, "signum": signal.SIGUSR1})
    assert finish_status(events(shared_daemon, id)) == signal.SIGUSR1


def test_a_job_that_can_never_fit_is_refused(shared_daemon: DaemonProcess) -> None:
    """Refused at submit, with the reason."""
    with pytest.raises(RpcError, match=r"unsatisfiable request: .* 100000 cores") as caught:
        submit(shared_daemon, real("true", cores_per_task=100_000))
    assert caught.value.errnum == errno.EINVAL


def test_a_jobspec_without_tasks_is_refused(shared_daemon: DaemonProcess) -> None:
    """The text names what is missing."""
    jobspec = from_command(["true"])
    del jobspec["tasks"]
    with pytest.raises(RpcError, match="tasks"):
        submit(shared_daemon, jobspec)


def test_J_is_accepted_when_the_user_is_the_sender(  # noqa: N802
    shared_daemon: DaemonProcess,
) -> None:
    """RFC 39, mechanism none."""
    text = json.dumps(simulated()).encode()
    J = signature.wrap(text, os.getuid())
    id = shared_daemon.rpc("job-ingest.submit", {"J": J})["id"]
    assert names(events(shared_daemon, id)) == LIFE
    forged = signature.wrap(text, os.getuid() + 1)
    with pytest.raises(RpcError) as caught:
        shared_daemon.rpc("job-ingest.submit", {"J": forged})
    assert caught.value.errnum == errno.EPERM


def test_urgency_orders_and_holds(stopped_daemon: DaemonProcess) -> None:
    """Priority then id; urgency 0 holds until it is raised."""
    stopped_daemon.configure("[resource]\ncores = 1\n")
    stopped_daemon.start()
    with stopped_daemon.client() as client:

        def add(urgency: int, duration: str = "1ms") -> int:
            request = {"jobspec": simulated(duration), "urgency": urgency}
            return int(client.rpc("job-ingest.submit", request)["id"])

        first = add(16, "0")
        wait_for(stopped_daemon, first, "start")
        low, held, high = add(1), add(0), add(31)
        client.rpc("job-manager.raise", {"id": first, "type": "cancel", "severity": 0})
        started = [wait_for(stopped_daemon, id, "start")[-1]["timestamp"] for id in (high, low)]
        assert started == sorted(started)
        assert client.rpc("job-manager.urgency", {"id": held, "urgency": 16}) == {"old_urgency": 0}
        assert names(events(stopped_daemon, held))[-1] == "clean"


def test_a_memo_shows_up(shared_daemon: DaemonProcess) -> None:
    """job-manager.memo."""
    id = submit(shared_daemon, simulated(None))[0]
    shared_daemon.rpc("job-manager.memo", {"id": id, "memo": {"step": 3}})
    assert listed(shared_daemon, id)["annotations"]["user"] == {"step": 3}


ASKED_OF_ACTIVE = [
    ("job-manager.raise", {"type": "cancel", "severity": 0}, "unknown job id", errno.ENOENT),
    ("job-manager.kill", {"signum": 15}, "unknown job id", errno.EINVAL),
    ("job-manager.urgency", {"urgency": 3}, "unknown job", errno.EINVAL),
    ("job-manager.memo", {"memo": {"a": 1}}, "unknown job id", errno.ENOENT),
]


@pytest.mark.parametrize(("topic", "keys", "unknown", "errnum"), ASKED_OF_ACTIVE)
def test_inactive_purged_and_unknown_are_told_apart(
    shared_daemon: DaemonProcess, topic: str, keys: dict[str, Any], unknown: str, errnum: int
) -> None:
    """Design 5: each with a text of its own."""
    inactive, purged = submit(shared_daemon, simulated(), simulated())
    for id in (inactive, purged):
        events(shared_daemon, id)
    shared_daemon.rpc("job-manager.purge-id", {"id": purged, "force": True})
    for id, text, number in (
        (inactive, "^job is inactive$", errnum),
        (purged, f"^{unknown}: it was purged at .* by purge-id", errno.ENOENT),
        (77, f"^{unknown}$", errnum),
    ):
        with pytest.raises(RpcError, match=text) as caught:
            shared_daemon.rpc(topic, {"id": id} | keys)
        assert caught.value.errnum == number


def test_getattr_shows_a_job_active_or_not(shared_daemon: DaemonProcess) -> None:
    """job-manager.getattr: the jobspec comes without its environment."""
    jobspec = simulated("1ms", environment={"SECRET": "x"})
    id = submit(shared_daemon, jobspec)[0]
    events(shared_daemon, id)
    attrs = ["jobspec", "R", "eventlog"]
    reply = shared_daemon.rpc("job-manager.getattr", {"id": id, "attrs": attrs})
    assert "environment" not in reply["jobspec"]["attributes"]["system"]
    assert reply["R"]["version"] == 1
    assert names(reply["eventlog"]) == LIFE
    with pytest.raises(RpcError, match="unknown attr nosuch"):
        shared_daemon.rpc("job-manager.getattr", {"id": id, "attrs": ["nosuch"]})


def test_simulated_jobs_end_as_they_are_told(shared_daemon: DaemonProcess) -> None:
    """attributes.system.exec.test: wait status and exception."""
    jobspec = simulated()
    set_attribute(jobspec, "system.exec.test.wait_status", 512)
    assert finish_status(run(shared_daemon, jobspec)) == 512


def test_job_state_events_are_published_when_enabled(stopped_daemon: DaemonProcess) -> None:
    """[events] job-state = true."""
    stopped_daemon.configure("[events]\njob-state = true\n")
    stopped_daemon.start()
    with stopped_daemon.client() as client, client.subscribe("job-state") as published:
        id = submit(stopped_daemon, simulated())[0]
        states = []
        for event in published:
            assert event.payload["id"] == id
            states.append(event.payload["state"])
            if states[-1] == "INACTIVE":
                break
    assert states == ["DEPEND", "PRIORITY", "SCHED", "RUN", "CLEANUP", "INACTIVE"]
