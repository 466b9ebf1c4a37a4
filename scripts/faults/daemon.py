"""A daemon to ill-treat: always at the same place, started and ended many times."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from jobmgrd.client import BlockingClient, ConnectionLostError, NoDaemonError

ROOT: Final = Path(__file__).parents[2]
START_TIMEOUT: Final = 30.0
STOP_TIMEOUT: Final = 30.0
_LOOK: Final = 0.005


class DaemonFailedError(Exception):
    """The daemon did not start, or has ended by itself; the text has its last words."""


class Daemon:
    """A daemon whose directories are in `directory`, which has a short name (a socket's path)."""

    def __init__(
        self,
        directory: Path,
        config: str,
        module: str = "jobmgrd.cli.daemon",
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.rundir, self.statedir = directory / "run", directory / "state"
        self.log = directory / "log"
        self.uri = str(self.rundir)
        self.config = directory / "jobmgrd.toml"
        self.config.write_text(config)
        self._module = module
        self._environ = {**os.environ, **(environ or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process; 0 before the first start."""
        return self._process.pid if self._process else 0

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            DaemonFailedError: it does not.
        """
        argv = [sys.executable, "-m", self._module, "--config", str(self.config)]
        argv += ["--rundir", str(self.rundir), "--statedir", str(self.statedir)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                argv, cwd=ROOT, env=self._environ, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and self.alive:
            try:
                with BlockingClient(self.uri) as client:
                    client.rpc("job-manager.getinfo")
                    return
            except (NoDaemonError, ConnectionLostError):
                time.sleep(_LOOK)
        raise DaemonFailedError(f"it did not start: {self.last_words()}")

    def configure(self, config: str) -> None:
        """Put another configuration in place; it is there whole, or not at all."""
        new = self.config.with_suffix(".new")
        new.write_text(config)
        new.replace(self.config)

    def kill(self) -> int:
        """End it by SIGKILL, if it has not ended; its exit code."""
        return self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it by SIGTERM, and with it its jobs; its exit code."""
        return self._end(signal.SIGTERM)

    def last_words(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    def _end(self, signum: int) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        if process.poll() is None:
            process.send_signal(signum)
        try:
            return process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise DaemonFailedError(f"it did not stop: {self.last_words()}") from None
