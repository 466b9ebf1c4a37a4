"""Worker processes: each is a module of workers/, told its arguments once, says JSON lines."""

import json
import select
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from scripts.benchmark.errors import MeasurementError

ROOT: Final = Path(__file__).parents[2]
TIMEOUT: Final = 120.0


class Worker:
    """A worker process; within `with` it runs, and afterwards it has ended."""

    def __init__(self, name: str, **arguments: object) -> None:
        self.name = name
        self.started = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"scripts.benchmark.workers.{name}", json.dumps(arguments)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # so that select() sees every line that was not read yet
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        self._process.kill()  # it has said all that was to be said, and keeps nothing
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def go(self) -> None:
        """Tell the worker to go on."""
        if self._process.stdin:
            self._process.stdin.write(b"\n")

    @property
    def has_said(self) -> bool:
        """Whether there is a line to read, or none will ever come."""
        return bool(select.select([self._process.stdout], [], [], 0.0)[0])

    def read(self, timeout: float = TIMEOUT) -> dict[str, Any]:
        """The next line that the worker says.

        Raises:
            MeasurementError: it ended, or says nothing for `timeout` seconds.
        """
        if self._process.stdout is None:
            raise MeasurementError(f"{self.name}: it was started without a pipe")
        ready, _, _ = select.select([self._process.stdout], [], [], timeout)
        if not ready:
            raise MeasurementError(f"worker {self.name} says nothing for {timeout:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            raise MeasurementError(f"worker {self.name} ended early")
        said: dict[str, Any] = json.loads(line)
        return said
