"""Reloads and stops, as systemd and clients see them."""

import signal
import socket
import time

import pytest

from jobmgrd.client import RpcError
from tests.conftest import DaemonProcess


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
