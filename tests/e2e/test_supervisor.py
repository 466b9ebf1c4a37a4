"""Jobs that outlive the daemon: kills and stops of the daemon, and of what runs the jobs."""

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.conftest import DaemonProcess
from tests.e2e.jobs import events, names, real, run_jobs, simulated, submit, wait_for

LEAVE = '[exec]\non-stop = "leave"\n'
NUMBERS = """
import time
for n in range(10000):
    print(n, flush=n % 100 == 0)
    if n % 100 == 0:
        time.sleep(0.005)
"""


def shell(script: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401
    """The jobspec of a shell script."""
    return real("sh", "-c", script, **options)


def status(log: Sequence[dict[str, Any]]) -> int:
    """The wait status in an eventlog."""
    found: int = context(log, "finish")["status"]
    return found


def context(log: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    """The context of the first event of a name."""
    found: dict[str, Any] = next(event for event in log if event["name"] == name)["context"]
    return found


def output(daemon: DaemonProcess, id: int) -> list[dict[str, Any]]:
    """The output of a job that has ended, as RFC 24 entries."""
    with daemon.client() as client:
        replies = client.stream("job-info.eventlog-watch", {"id": id, "path": "guest.output"})
        return [json.loads(reply["event"]) for reply in replies]


def stdout(daemon: DaemonProcess, id: int) -> str:
    """What a job has written to its stdout."""
    entries = [event["context"] for event in output(daemon, id) if event["name"] == "data"]
    return "".join(entry.get("data", "") for entry in entries if entry["stream"] == "stdout")


def fifo(daemon: DaemonProcess, name: str) -> Path:
    """A FIFO that a job can wait at: it is opened when somebody writes to it."""
    path = daemon.directory / name

    os.mkfifo(path)
    return path


def open_gate(path: Path) -> None:
    """Let a job go on that reads a FIFO."""
    path.write_text("go\n")


def restart(daemon: DaemonProcess) -> None:
    """Kill the daemon, and start the next."""
    daemon.kill()
    daemon.start()


def test_a_running_job_survives_a_kill(daemon: DaemonProcess) -> None:
    """It goes on, is known, can be signalled, and ends with its own status."""
    gate = fifo(daemon, "gate")
    id = submit(daemon, shell(f"read x < {gate}; exit 3"))[0]
    wait_for(daemon, id, "start")
    restart(daemon)
    assert daemon.rpc("job-manager.getattr", {"id": id, "attrs": ["eventlog"]})
    open_gate(gate)
    log = events(daemon, id)
    assert status(log) == 3 << 8
    assert "exception" not in names(log)
    assert names(log).count("start") == 1


def test_jobs_that_end_meanwhile_end_with_their_status(daemon: DaemonProcess) -> None:
    """However they ended, and whether they wrote anything."""
    gate = fifo(daemon, "gate")
    done = fifo(daemon, "done")
    wait = f"read x < {gate}; echo bye"
    ids = submit(daemon, shell(f"{wait}; kill -9 $$"), shell(f"read x < {done}; sleep 0.1; exit 7"))
    for id in ids:
        wait_for(daemon, id, "start")
    daemon.kill()
    open_gate(gate)
    open_gate(done)
    daemon.start()
    assert [status(events(daemon, id)) for id in ids] == [9, 7 << 8]
    assert stdout(daemon, ids[0]) == "bye\n"


def test_output_is_whole_across_kills(daemon: DaemonProcess) -> None:
    """Ten thousand lines, each of them once, though the daemon is killed in the midst, twice."""
    id = submit(daemon, real("python3", "-c", NUMBERS))[0]
    wait_for(daemon, id, "start")
    restart(daemon)
    restart(daemon)
    assert status(events(daemon, id)) == 0
    assert stdout(daemon, id) == "".join(f"{n}\n" for n in range(10000))
    assert names(output(daemon, id)).count("header") == 1


def test_a_watcher_of_output_begins_at_the_beginning(daemon: DaemonProcess) -> None:
    """What was written before the kill is there for those who look while the job still runs."""
    gate = fifo(daemon, "gate")
    id = submit(daemon, shell(f"echo before; read x < {gate}; echo after"))[0]
    with daemon.client() as client:
        for reply in client.stream("job-info.eventlog-watch", {"id": id, "path": "guest.output"}):
            if "before" in reply["event"]:
                break
    restart(daemon)
    with daemon.client() as client:
        stream = client.stream("job-info.eventlog-watch", {"id": id, "path": "guest.output"})
        assert json.loads(next(stream)["event"])["name"] == "header"
        assert "before" in next(stream)["event"]
    open_gate(gate)
    events(daemon, id)
    assert stdout(daemon, id) == "before\nafter\n"


def test_nothing_runs_twice(daemon: DaemonProcess) -> None:
    """Two hundred jobs append a line each, while the daemon is killed again and again."""
    journal = daemon.directory / "journal"
    ids = submit(daemon, *[shell(f"echo $FLUX_JOB_ID >> {journal}; sleep 0.02")] * 100)
    restart(daemon)
    ids += submit(daemon, *[shell(f"echo $FLUX_JOB_ID >> {journal}")] * 100)
    restart(daemon)
    restart(daemon)
    logs = [events(daemon, id) for id in ids]
    assert [status(log) for log in logs] == [0] * 200
    assert all(names(log).count("start") == 1 for log in logs)
    lines = journal.read_text().splitlines()
    assert len(lines) == len(set(lines)) == 200


def test_a_time_limit_holds_across_a_kill(stopped_daemon: DaemonProcess) -> None:
    """It counts from the start of the job, and has passed by the time the next daemon comes."""
    daemon = stopped_daemon
    daemon.configure("[resource]\ncores = 4\n")
    daemon.start()
    ids = submit(daemon, real("sleep", "60", duration=0.2), real("sleep", "60", duration=1.0))
    for id in ids:
        wait_for(daemon, id, "start")
    restart(daemon)
    for id, limit in zip(ids, (0.2, 1.0), strict=True):
        log = events(daemon, id)
        assert context(log, "exception")["type"] == "timeout"
        begun, ended = (
            next(event for event in log if event["name"] == name)["timestamp"]
            for name in ("start", "exception")
        )
        assert ended - begun >= limit - 0.1


def test_a_job_can_be_cancelled_after_a_kill(daemon: DaemonProcess) -> None:
    """The next daemon has its processes ended; one that was being ended stays so."""
    id = submit(daemon, real("sleep", "60"))[0]
    wait_for(daemon, id, "start")
    restart(daemon)
    daemon.rpc("job-manager.raise", {"id": id, "type": "cancel", "severity": 0})
    assert status(events(daemon, id)) == signal.SIGTERM


def test_a_cancel_is_carried_out_by_the_next_daemon(daemon: DaemonProcess) -> None:
    """A job whose exception is durable ends, though the daemon was killed right after."""
    ids = submit(daemon, *[real("sleep", "60")] * 2)
    wait_for(daemon, ids[0], "start")
    daemon.rpc("job-manager.raise", {"id": ids[0], "type": "cancel", "severity": 0})
    restart(daemon)
    assert context(events(daemon, ids[0]), "exception")["type"] == "cancel"


def test_simulated_jobs_last_as_long_as_they_say(daemon: DaemonProcess) -> None:
    """One whose time has passed meanwhile ends at the next start, one without an end goes on."""
    brief, endless = submit(daemon, simulated("300ms"), simulated(None))
    wait_for(daemon, endless, "start")
    restart(daemon)
    log = events(daemon, brief)
    assert status(log) == 0
    times = {event["name"]: event["timestamp"] for event in log}
    assert times["finish"] - times["start"] >= 0.25
    daemon.rpc("job-manager.raise", {"id": endless, "type": "cancel", "severity": 0})
    assert context(events(daemon, endless), "exception")["type"] == "cancel"


def test_a_lost_supervisor_ends_its_jobs_and_is_replaced(daemon: DaemonProcess) -> None:
    """Its jobs end with an exception that says so; further jobs run under another."""
    id = submit(daemon, real("sleep", "2"))[0]
    wait_for(daemon, id, "start")
    daemon.end_supervisor(signal.SIGKILL)
    log = events(daemon, id)
    assert context(log, "exception") == {
        "type": "exec",
        "severity": 0,
        "note": "lost contact with the job's processes: their supervisor ended",
    }
    assert status(log) == signal.SIGKILL
    assert status(events(daemon, submit(daemon, real("true"))[0])) == 0


def test_a_supervisor_that_is_terminated_ends_its_jobs(daemon: DaemonProcess) -> None:
    """SIGTERM to it, as at a shutdown of the host: the jobs end as they were ended."""
    id = submit(daemon, real("sleep", "60"))[0]
    wait_for(daemon, id, "start")
    daemon.end_supervisor(signal.SIGTERM)
    assert status(events(daemon, id)) == signal.SIGTERM


def test_a_stop_that_leaves_jobs_leaves_them(stopped_daemon: DaemonProcess) -> None:
    """on-stop = "leave": jobs go on without a daemon, and end under the next as if it had been."""
    daemon = stopped_daemon
    daemon.configure(LEAVE)
    daemon.start()
    gate = fifo(daemon, "gate")
    id = submit(daemon, shell(f"echo a; read x < {gate}; echo b"))[0]
    queued = submit(daemon, *[real("true")] * 20)
    wait_for(daemon, id, "start")
    assert daemon.stop() == 0
    open_gate(gate)
    daemon.start()
    log = events(daemon, id)
    assert status(log) == 0
    assert "exception" not in names(log)
    assert stdout(daemon, id) == "a\nb\n"
    assert [status(events(daemon, id)) for id in queued] == [0] * 20


def test_jobs_of_another_store_are_ended(daemon: DaemonProcess) -> None:
    """A supervisor whose jobs nobody knows any more does not run them for ever."""
    id = submit(daemon, real("sleep", "60"))[0]
    wait_for(daemon, id, "start")
    daemon.kill()
    daemon.statedir = daemon.directory / "other"
    daemon.start()
    assert "exec.stray-cancelled" in daemon.log.read_text()
    assert run_jobs(daemon, 1)


def test_jobs_do_not_inherit_ignored_signals(daemon: DaemonProcess) -> None:
    """The supervisor cares for no hangup or interrupt; its jobs do."""
    id = submit(daemon, shell("grep SigIgn /proc/self/status"))[0]
    events(daemon, id)
    ignored = int(stdout(daemon, id).split()[1], 16)
    assert not ignored & (1 << 31) - 1  # of the others, the C library ignores its own


def test_the_supervisors_socket_is_private(daemon: DaemonProcess) -> None:
    """Nobody else may give it jobs."""
    assert (daemon.rundir / "exec").stat().st_mode & 0o777 == 0o600
