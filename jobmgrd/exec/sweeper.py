"""Kills what jobs have left behind outside their process groups, once they were cancelled.

A process that has left its group and its parents is known by its environment alone, in which its
job's id and this run directory stand. All processes are looked at once for all jobs that ended
lately: 20 us each, in slices.
"""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

from protocol.jobid import encode

DELAY: Final = 0.05
"""Seconds to wait for further jobs to look for at the same time."""
SLICE: Final = 64
"""Processes to look at between two turns of the loop."""


class Sweeper:
    """Gathers jobs of a run directory, and sweeps for all of them at once."""

    def __init__(self, rundir: str) -> None:
        self._ours = f"JOBMGRD_URI={rundir}".encode()
        self._marks: set[bytes] = set()
        self._timer: asyncio.TimerHandle | None = None

    def sweep(self, id_: int) -> None:
        """Kill what is left of a job, soon."""
        self._marks.add(f"FLUX_JOB_ID={encode(id_, 'f58')}".encode())
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(DELAY, self._begin)

    def finish(self) -> None:
        """Do at once what is to be done. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for _ in _killing(self._ours, self._marks):
            pass
        self._marks = set()

    def _begin(self) -> None:
        marks, self._marks = self._marks, set()
        self._timer = None
        self._go_on(_killing(self._ours, marks))

    def _go_on(self, work: Iterator[None]) -> None:
        for _ in islice(work, SLICE):
            pass
        if next(work, False) is None:
            asyncio.get_running_loop().call_soon(self._go_on, work)


def _killing(ours: bytes, marks: set[bytes]) -> Iterator[None]:
    """Kill our processes that bear one of the marks, one step for each process that there is."""
    if not marks:
        return
    for name in os.listdir("/proc"):  # noqa: PTH208 - names are wanted
        if name.isdigit():
            with suppress(OSError):  # it ended, or is not ours
                _kill(int(name), ours, marks)
            yield


def _kill(pid: int, ours: bytes, marks: set[bytes]) -> None:
    if pid == os.getpid():
        return
    pidfd = os.pidfd_open(pid)
    try:
        # Read after the descriptor was had: it cannot be of another process by now.
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        if ours in variables and not marks.isdisjoint(variables):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    finally:
        os.close(pidfd)
