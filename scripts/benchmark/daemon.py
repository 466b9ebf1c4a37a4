"""A daemon under measurement: its own run directory, a given state directory, ended by its pid."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from jobmgrd.client import BlockingClient, ConnectionLostError, NoDaemonError
from scripts.benchmark.errors import MeasurementError
from scripts.benchmark.worker import ROOT

START_TIMEOUT: Final = 60.0
STOP_TIMEOUT: Final = 60.0
_LOOK: Final = 0.002

CORES: Final = 1024
CONFIG: Final = f"""
[resource]
cores = {CORES}
[daemon]
log-level = "warning"
"""


class Daemon:
    """A daemon process; within `with` it answers.

    `start_seconds` is the time from starting the process to the first answer.
    """

    def __init__(self, state: Path, config: str = CONFIG) -> None:
        self.state = state
        self._config = config
        self.start_seconds = 0.0

    def __enter__(self) -> Self:
        # sockets are not under `state`: a unix socket's path has at most 107 bytes
        self._directory = tempfile.TemporaryDirectory(prefix="jmb-")
        directory = Path(self._directory.name)
        self.uri = str(directory / "run")
        config, self._log = directory / "jobmgrd.toml", directory / "log"
        config.write_text(self._config)
        argv = [sys.executable, "-m", "jobmgrd.cli.daemon", "--config", str(config)]
        argv += ["--rundir", self.uri, "--statedir", str(self.state)]
        start = time.monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(argv, cwd=ROOT, stdout=log, stderr=log)
        try:
            self._await_answer(start + START_TIMEOUT)
        except BaseException:
            self._end()
            raise
        self.start_seconds = time.monotonic() - start
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    @property
    def pid(self) -> int:
        """The daemon's process."""
        return self._process.pid

    def client(self) -> BlockingClient:
        """A client of it, to be used within `with`."""
        return BlockingClient(self.uri, timeout=START_TIMEOUT)

    def _await_answer(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise MeasurementError(f"the daemon did not start: {self._last_words()}")
            try:
                with self.client() as client:
                    client.rpc("job-manager.getinfo")
                    return
            except (NoDaemonError, ConnectionLostError):
                time.sleep(_LOOK)
        raise MeasurementError("the daemon does not answer")

    def _last_words(self) -> str:
        lines = self._log.read_text().splitlines()
        return lines[-1] if lines else "it says nothing"

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._directory.cleanup()


def resident(pid: int) -> float:
    """A process's resident memory (VmRSS) in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise MeasurementError(f"process {pid} has no VmRSS")
