"""jobmgr doctor, against daemons that are unwell, and the operations that it speaks of."""

import json
import signal
import socket
import time
from typing import Any

import pytest

from jobmgrd.client import RpcError
from tests.cli.conftest import against
from tests.conftest import DaemonProcess


def troubles(daemon: DaemonProcess) -> dict[str, str]:
    """What the doctor does not find well, by name."""
    reply: dict[str, Any] = json.loads(against(daemon.uri)("doctor", "--json").stdout)
    found = {f["name"]: f["text"] for f in reply["findings"] if f["level"] != "ok"}
    assert bool(found) == (reply["status"] != "ok")
    return found


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


def test_a_reload_is_told_to_systemd(stopped_daemon: DaemonProcess) -> None:
    """RELOADING=1 with the time, then READY=1 (sd_notify(3)); the watchdog is fed meanwhile."""
    daemon = stopped_daemon
    address = str(daemon.directory / "sd")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(address)
        notify.settimeout(20)
        daemon.process = daemon.spawn(NOTIFY_SOCKET=address, WATCHDOG_USEC="200000")
        seen: list[bytes] = []
        while seen.count(b"WATCHDOG=1") < 2 or b"READY=1" not in seen:
            seen.append(notify.recv(4096))
        begun = time.monotonic_ns() // 1000
        daemon.process.send_signal(signal.SIGHUP)
        while not seen[-1].startswith(b"RELOADING=1\nMONOTONIC_USEC="):
            seen.append(notify.recv(4096))
        assert begun <= int(seen[-1].rpartition(b"=")[2]) <= time.monotonic_ns() // 1000
        while seen[-1] != b"READY=1":
            seen.append(notify.recv(4096))
        daemon.process.terminate()
        while seen[-1] != b"STOPPING=1":
            seen.append(notify.recv(4096))
    assert daemon.process.wait(20) == 0


def test_a_stop_ends_every_stream_with_an_error(daemon: DaemonProcess) -> None:
    """Followers are told that it stops, and do not hang; the exit is clean."""
    topics = {"job-manager.events-journal": {}, "job-manager.purge-log": {"follow": True}}
    with daemon.client() as client:
        streams = [client.stream(topic, payload) for topic, payload in topics.items()]
        journal = iter(streams[0])
        next(journal)
        client.rpc("job-manager.getinfo")
        begun = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - begun < 10
        with pytest.raises(RpcError, match="the daemon is stopping"):
            for _ in journal:
                pass
