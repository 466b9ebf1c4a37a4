"""Jobs that make trouble: too much output, none that is text, a full disk, all ended at once."""

import json
import os
import resource
import signal
from pathlib import Path

import pytest

from protocol import job_output
from protocol.errors import RpcError
from protocol.eventlog import decode
from tests.conftest import DaemonProcess
from tests.e2e.jobs import events, real, simulated, submit, wait_for
from tests.e2e.test_supervisor import NUMBERS, context, shell, status, stdout

MIB = 1 << 20


def output(daemon: DaemonProcess, id: int, stream: str = "stdout") -> bytes:
    """The bytes that are kept of a stream of task 0."""
    text = daemon.rpc("job-info.lookup", {"id": id, "keys": ["guest.output"]})["guest.output"]
    chunks = [chunk for entry in decode(text.encode()) if (chunk := job_output.chunk_of(entry))]
    return b"".join(chunk.data for chunk in chunks if chunk.stream == stream)


def test_a_gibibyte_of_output_is_cut(shared_daemon: DaemonProcess) -> None:
    """What is kept is bounded, and says where it was cut; the job runs to its end."""
    id = submit(shared_daemon, shell("head -c 1073741824 /dev/zero; exit 3"))[0]
    assert status(events(shared_daemon, id)) == 3 << 8
    kept = output(shared_daemon, id)
    assert len(kept) == 10 * MIB
    assert output(shared_daemon, id, "stderr") == b"jobmgrd: output truncated at 10485760 bytes\n"


def test_binary_output_is_kept_as_it_is(shared_daemon: DaemonProcess, tmp_path: Path) -> None:
    """Bytes that are no text, and halves of characters."""
    data = os.urandom(100_000) + "ƒ".encode()[:1]
    (tmp_path / "data").write_bytes(data)
    id = submit(shared_daemon, real("cat", str(tmp_path / "data")))[0]
    events(shared_daemon, id)
    assert output(shared_daemon, id) == data


def test_hundreds_of_jobs_are_cancelled_at_once(stopped_daemon: DaemonProcess) -> None:
    """Those that run, that are about to, and that wait; nothing of them is left."""
    daemon = stopped_daemon
    daemon.configure("[resource]\ncores = 100\n")
    daemon.start()
    ids = submit(daemon, *[real("sleep", "61.9")] * 400)
    wait_for(daemon, ids[50], "start")
    with daemon.client() as client:
        for id in ids:
            client.rpc("job-manager.raise", {"id": id, "type": "cancel", "severity": 0})
        for id in ids:  # until the last one is clean
            list(client.stream("job-info.eventlog-watch", {"id": id}))
    logs = [events(daemon, id) for id in (ids[0], ids[50], ids[99], ids[-1])]
    assert [context(log, "exception")["type"] for log in logs] == ["cancel"] * 4
    assert [status(log) for log in logs[:2]] == [signal.SIGTERM] * 2
    mark = f"JOBMGRD_URI={daemon.rundir}".encode()
    assert not [pid for pid in _processes() if mark in _environ(pid)]
    assert daemon.rpc("job-list.job-stats")["job_states"]["inactive"] == 400


def test_output_waits_for_a_full_disk(daemon: DaemonProcess) -> None:
    """It is whole once there is room again; the daemon says what it waits for, and goes on."""
    assert daemon.process is not None
    id = submit(daemon, real("python3", "-c", NUMBERS))[0]
    wait_for(daemon, id, "start")
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (1, hard))  # no file can grow
    try:
        with pytest.raises(RpcError):
            submit(daemon, *[simulated()] * 100)
    finally:
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    assert status(events(daemon, id)) == 0
    assert stdout(daemon, id) == "".join(f"{n}\n" for n in range(10000))


def test_a_job_of_several_nodes_runs_here(stopped_daemon: DaemonProcess) -> None:
    """Nodes as configured, with their names, for testing; the map of tasks is told."""
    daemon = stopped_daemon
    daemon.configure('[[resource.config]]\nhosts = "n[0-1]"\ncores = "0-1"\ngpus = "0"\n')
    daemon.start()
    script = "echo $FLUX_TASK_RANK $JOBMGRD_NODE $FLUX_JOB_NNODES $FLUX_TASK_LOCAL_ID"
    id = submit(daemon, shell(script, num_tasks=4, num_nodes=2, gpus_per_task=0))[0]
    assert status(events(daemon, id)) == 0
    lines = sorted(stdout(daemon, id).splitlines())
    assert lines == ["0 n0 2 0", "1 n0 2 1", "2 n1 2 0", "3 n1 2 1"]
    keys = {"id": id, "keys": ["guest.exec.eventlog"]}
    log = daemon.rpc("job-info.lookup", keys)["guest.exec.eventlog"].splitlines()
    found = {entry["name"]: entry.get("context") for entry in map(json.loads, log)}
    assert found["shell.start"]["taskmap"] == {"version": 1, "map": [[0, 2, 2, 1]]}


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _environ(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
