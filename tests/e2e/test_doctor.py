"""jobmgr doctor, against daemons that are unwell: each trouble is made, found, and mended."""

import asyncio
import errno
import json
import shutil
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
import zmq

from jobmgrd.client import RpcError
from jobmgrd.health import UNBOUNDED
from jobmgrd.store.port import Changes
from jobmgrd.store.sqlite import SqliteStore
from protocol.message import Request
from protocol.payload import encode
from tests.cli.conftest import against
from tests.conftest import DaemonProcess
from tests.e2e.jobs import run_jobs, simulated, submit
from tests.store.sample import ended

ALONE: Final = ("unshare", "--user", "--map-root-user", "--mount")
MOUNT: Final = 'mount -t tmpfs -o size=48m,mode=0700 tmpfs "$1" && shift && exec "$@"'
"""Runs a program with a file system of its own at a directory."""
SMALL_FILES: Final = 'ulimit -f 2048; exec "$@"'
"""Runs a program that cannot write files of more than one or two MiB."""


def troubles(daemon: DaemonProcess) -> dict[str, str]:
    """What the doctor does not find well, by name."""
    reply: dict[str, Any] = json.loads(against(daemon.uri)("doctor", "--json").stdout)
    unwell = [finding for finding in reply["findings"] if finding["level"] != "ok"]
    assert bool(unwell) == (reply["status"] != "ok")
    assert all(finding["advice"] for finding in unwell), "each says what to do"
    return {finding["name"]: finding["text"] for finding in unwell}


def wait_for_trouble(daemon: DaemonProcess, name: str, text: str | None) -> None:
    """Look until this is found, or with None, until nothing of that name is."""
    deadline = time.monotonic() + 20
    while True:
        found = troubles(daemon).get(name)
        if found is None if text is None else (found or "").startswith(text):
            return
        assert time.monotonic() < deadline, found


def test_a_daemon_that_is_well_and_one_that_was_killed(stopped_daemon: DaemonProcess) -> None:
    """Exit codes for scripts; sockets that were left are told from a place never used."""
    daemon = stopped_daemon
    jobmgr = against(daemon.uri)
    nobody = jobmgr("doctor")
    assert nobody.exit_code == 1
    assert nobody.stdout.startswith(f"error: run-directory: {daemon.rundir} is not there\n")
    daemon.start()
    well = jobmgr("doctor")
    assert (well.exit_code, well.stdout) == (0, "nothing is wrong\n")
    assert daemon.process
    assert f"it runs as process {daemon.process.pid}" in jobmgr("doctor", "--all").stdout
    daemon.rundir.chmod(0o750)
    assert "open to others (mode 0750)" in troubles(daemon)["run-directory"]
    daemon.rundir.chmod(0o700)
    daemon.statedir.chmod(0o755)
    assert "open to others (mode 0755)" in troubles(daemon)["state-directory"]
    daemon.statedir.chmod(0o700)
    daemon.kill()
    assert "were left by one that was killed" in troubles(daemon)["daemon"]


def test_a_clock_that_jumped_and_an_archive_that_fails(stopped_daemon: DaemonProcess) -> None:
    """Both are the daemon's own knowledge; a reload takes the clock over."""
    daemon = stopped_daemon
    offset = daemon.directory / "offset"
    offset.write_text("0")
    daemon.module, daemon.environ = "tests.e2e.daemon_under_test", {"WALL_OFFSET": str(offset)}
    daemon.configure("[job-manager.archive]\n")
    (daemon.statedir / "archive.sqlite").mkdir(parents=True)
    daemon.statedir.chmod(0o700)
    daemon.start()
    offset.write_text("86400")
    found = troubles(daemon)
    assert found.keys() == {"archive", "clock"}
    assert "archive.sqlite" in found["archive"]
    assert "jumped by 86400 s" in found["clock"]
    daemon.reload()
    assert troubles(daemon).keys() == {"archive"}


def test_a_clock_that_was_never_set(stopped_daemon: DaemonProcess) -> None:
    """A machine without a battery begins in 1970; the time is taken over once it is known."""
    daemon = stopped_daemon
    offset = daemon.directory / "offset"
    offset.write_text(str(-time.time() + 100))
    daemon.module, daemon.environ = "tests.e2e.daemon_under_test", {"WALL_OFFSET": str(offset)}
    daemon.start()
    assert troubles(daemon) == {"clock": "the clock was never set: ages of jobs are wrong"}
    offset.write_text("0")
    assert "has jumped by" in troubles(daemon)["clock"]
    daemon.reload()
    assert troubles(daemon) == {}


def test_a_full_disk(stopped_daemon: DaemonProcess) -> None:
    """A file system of its own that something else fills; mended when that is gone."""
    daemon = stopped_daemon
    daemon.statedir.mkdir(mode=0o700)
    daemon.wrapper = [*ALONE, "sh", "-c", MOUNT, "sh", str(daemon.statedir)]
    if not shutil.which("unshare"):
        pytest.skip("needs unshare(1)")
    tried = subprocess.run([*daemon.wrapper, "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"no file system of one's own here: {tried.stderr.decode().strip()}")
    daemon.start()
    assert daemon.process
    (small,) = troubles(daemon).values()
    assert small.startswith("the disk is full: ")  # 48 MiB, and half of them set aside
    # what the process sees (proc_pid_root(5)), since the file system is in its namespace alone
    filler = Path(f"/proc/{daemon.process.pid}/root{daemon.statedir}/filler")
    fill(filler)
    with pytest.raises(RpcError) as refused:
        submit(daemon, simulated(environment={"X": "x" * (1 << 20)}))
    assert refused.value.errnum == errno.ENOSPC
    found = troubles(daemon)
    assert found.keys() == {"disk", "store"}
    assert found["disk"].startswith("the disk is full: 0 MiB left in ")
    assert "disk is full" in found["store"]
    filler.unlink()
    run_jobs(daemon, 1)
    assert troubles(daemon).keys() == {"disk"}


def fill(filler: Path) -> None:
    """Leave no room for anything else."""
    with suppress(OSError), filler.open("ab", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


def test_writes_that_fail_and_a_reserve_that_is_gone(stopped_daemon: DaemonProcess) -> None:
    """Whatever the reason: here, files may not grow (setrlimit(2))."""
    daemon = stopped_daemon
    daemon.wrapper = ["sh", "-c", SMALL_FILES, "sh"]
    daemon.start()
    assert troubles(daemon).keys() == {"store-reserve"}
    with pytest.raises(RpcError) as refused:
        submit(daemon, simulated(environment={"X": "x" * (3 << 20)}))
    assert refused.value.errnum == errno.EFBIG
    found = troubles(daemon)
    assert found.keys() == {"store-reserve", "store"}
    assert "File too large" in found["store"]
    run_jobs(daemon, 1)
    assert troubles(daemon).keys() == {"store-reserve"}


def test_a_history_without_limits_and_a_backlog(stopped_daemon: DaemonProcess) -> None:
    """Then it is limited, but purged too slowly, and then quickly enough."""
    daemon = stopped_daemon
    asyncio.run(keep(daemon.statedir / "jobs.sqlite", UNBOUNDED))
    beats = '[heartbeat]\nperiod = "100ms"\n[job-manager]\n'
    daemon.configure(beats)
    daemon.start()
    text = f"no limit is set: {UNBOUNDED} ended jobs are kept, and all to come"
    assert troubles(daemon) == {"limits": text}
    slow = beats + 'inactive-age-limit = "1h"\npurge-budget = '
    daemon.configure(f'{slow}"1ms"')
    daemon.reload()
    wait_for_trouble(daemon, "purging", "purging is ")
    assert "jobs should be gone" in troubles(daemon)["purging"]
    daemon.configure(f'{slow}"50ms"')
    daemon.reload()
    wait_for_trouble(daemon, "purging", None)
    assert troubles(daemon) == {}


async def keep(path: Path, jobs: int) -> None:
    """Make a store of jobs that ended long ago."""
    path.parent.mkdir(mode=0o700)
    store = SqliteStore(path, durability="os")
    await store.open()
    await store.write(Changes(ended=[ended(n) for n in range(1, jobs + 1)]))
    await store.close()


def test_a_client_that_does_not_read(stopped_daemon: DaemonProcess) -> None:
    """What it asks for piles up, until it is refused again and again; the owner is told."""
    daemon = stopped_daemon
    daemon.module, daemon.environ = "tests.e2e.daemon_under_test", {"HEALTH": "REFUSALS=10"}
    daemon.configure('[rpc]\nqueued-bytes-per-peer = "100k"\n')
    daemon.start()
    run_jobs(daemon, 30)
    assert troubles(daemon) == {}
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with context, context.socket(zmq.DEALER) as dealer:
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.setsockopt(zmq.RCVHWM, 1)
        dealer.connect(f"ipc://{daemon.uri}/rpc")
        ask = encode({"max_entries": 0, "attrs": ["all"]})
        for n in range(1, 1000):  # the first answers are in the buffers of its socket
            dealer.send_multipart(Request("job-list.list", ask, matchtag=n).frames())
        wait_for_trouble(daemon, "refusals", "since the start, clients met [rpc] queued-bytes-per")


def test_a_file_system_that_hangs(stopped_daemon: DaemonProcess) -> None:
    """Requests wait, and the daemon says for what; all goes on when it comes back."""
    daemon = stopped_daemon
    hang = daemon.directory / "hang"
    daemon.module = "tests.e2e.daemon_under_test"
    daemon.environ = {"HANG": str(hang), "HEALTH": "STALLED=0.5"}
    daemon.start()
    hang.touch()
    asking = threading.Thread(target=lambda: submit(daemon, simulated()))
    asking.start()
    wait_for_trouble(daemon, "store", "a write has not come back for ")
    hang.unlink()
    asking.join()
    wait_for_trouble(daemon, "store", None)
