"""Fixtures shared by all tests: a real daemon in a private directory."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import settings

from jobmgrd.client import BlockingClient
from jobmgrd.exec import wire

START_TIMEOUT = 20.0

# How long an example takes says how busy the machine is, not whether a law holds.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


class DaemonProcess:
    """A jobmgrd process that can be configured, started, stopped and killed.

    Its directory is short-named: a unix socket's path has at most 107 bytes.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.rundir = directory / "run"
        self.statedir = directory / "state"
        self.config = directory / "jobmgrd.toml"
        self.log = directory / "log"
        self.uri = str(self.rundir)
        self.module = "jobmgrd.cli.daemon"
        self.environ: dict[str, str] = {}
        self.wrapper: list[str] = []
        """A command that becomes the daemon, which it is given as words."""
        self.process: subprocess.Popen[bytes] | None = None
        self.configure("")

    def configure(self, toml: str) -> None:
        """Write the configuration; takes effect at the next start or reload."""
        self.config.write_text(toml)

    def start(self) -> None:
        """Start the daemon and wait until it says that it is ready (sd_notify)."""
        address = str(self.directory / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(address)
            notify.settimeout(0.05)
            try:
                self.process = self.spawn(NOTIFY_SOCKET=address)
                self._await_ready(notify)
            finally:
                Path(address).unlink()

    def spawn(self, **environ: str) -> subprocess.Popen[bytes]:
        """Start a daemon process without waiting for anything."""
        argv = [*self.wrapper, sys.executable, "-m", self.module]
        argv += ["--config", str(self.config)]
        argv += ["--rundir", str(self.rundir), "--statedir", str(self.statedir)]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                argv, env=os.environ | self.environ | environ, stderr=log, stdout=log
            )

    def _await_ready(self, notify: socket.socket) -> None:
        assert self.process is not None
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if b"READY=1" in notify.recv(4096):
                    return
            except TimeoutError:
                continue
        raise AssertionError(f"daemon is not ready: {self.log.read_text()}")

    def kill(self) -> None:
        """Kill the daemon with SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Stop the daemon with SIGTERM; its exit code."""
        return self._end(signal.SIGTERM)

    def end_supervisor(self, signum: int = signal.SIGTERM) -> None:
        """Send a signal to the process that runs the jobs of this daemon, if there is one."""
        # To a Hello of another version it tells its pid, and goes on with the daemon that it has.
        hello = wire.Hello(version=0, uuid="", number=0, kill_timeout=0.0, output_limit=0)
        with socket.socket(socket.AF_UNIX) as sock, suppress(OSError):
            sock.settimeout(START_TIMEOUT)
            sock.connect(str(self.rundir / "exec"))
            sock.sendall(b"".join(wire.frames([wire.encode(hello)])))
            for frame in wire.Unframer().feed(sock.recv(1 << 16)):
                (welcome,) = msgspec.msgpack.decode(frame, type=list[wire.Welcome])
                os.kill(welcome.pid, signum)

    def _end(self, signum: int) -> int:
        if self.process is None:
            return 0
        process, self.process = self.process, None
        process.send_signal(signum)
        return process.wait(30)

    def reload(self) -> None:
        """Have the configuration read again."""
        self.rpc("config.reload")

    def client(self) -> BlockingClient:
        """A client of this daemon, to be used as a context manager."""
        return BlockingClient(self.uri)

    def rpc(self, topic: str, payload: dict[str, Any] | None = None) -> dict[str, Any]:
        """One RPC on a connection of its own."""
        with self.client() as client:
            return client.rpc(topic, payload)


@pytest.fixture
def daemon() -> Iterator[DaemonProcess]:
    """A daemon process, started."""
    yield from _started()


@pytest.fixture(scope="module")
def shared_daemon() -> Iterator[DaemonProcess]:
    """A daemon process that the tests of a module share."""
    yield from _started()


@pytest.fixture
def stopped_daemon() -> Iterator[DaemonProcess]:
    """A daemon process that the test configures and starts itself."""
    with TemporaryDirectory(prefix="jm-") as directory:
        process = DaemonProcess(Path(directory))
        yield process
        process.kill()
        process.end_supervisor()


def _started() -> Iterator[DaemonProcess]:
    with TemporaryDirectory(prefix="jm-") as directory:
        process = DaemonProcess(Path(directory))
        process.start()
        yield process
        process.kill()
        process.end_supervisor()
