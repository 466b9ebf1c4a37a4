"""An executor that runs nothing: an attempt is a timer, for tests, trials and benchmarks.

It behaves as flux-core's job-exec test implementation (job-exec/testexec.c): an attempt starts,
lasts `run_duration` seconds and ends with `simulate_status`, unless a signal ends it before. It
needs no process to outlive the daemon: the next one sets its timer again.
"""

import asyncio
import signal
from typing import Final

from jobmgrd.exec.port import Attempt, Executor, Failed, Fate, Finished, Notify, Started

HARMLESS: Final = frozenset(
    (
        signal.SIGCHLD,
        signal.SIGCONT,
        signal.SIGSTOP,
        signal.SIGTSTP,
        signal.SIGTTIN,
        signal.SIGTTOU,
        signal.SIGURG,
        signal.SIGWINCH,
    )
)
"""Signals that do not end a process which takes no care of them (signal(7))."""


class SimulatedExecutor(Executor):
    """Simulates attempts, one timer each.

    Args:
        notify: told what happens, on the running event loop, and never from inside a call of
            `start`, `signal` or `cancel`.
    """

    def __init__(self, notify: Notify) -> None:
        self._notify = notify
        self._beginning: list[Attempt] = []
        self._timers: dict[int, asyncio.TimerHandle | None] = {}  # None: no end is set
        self._closed = False

    def start(self, attempt: Attempt) -> None:
        """Begin an attempt in the next turn of the loop; without a `run_duration` it is endless."""
        if not self._beginning:
            asyncio.get_running_loop().call_soon(self._begin)
        self._beginning.append(attempt)
        self._timers[attempt.id] = None

    def signal(self, id: int, signum: int) -> None:
        """End an attempt with this signal's wait status, if it is one that ends processes."""
        if signum in signal.valid_signals() and signum not in HARMLESS:
            self._end_soon(id, signum)

    def cancel(self, id: int) -> None:
        """End an attempt with SIGTERM's wait status."""
        self._end_soon(id, signal.SIGTERM)

    async def terminate(self) -> None:
        """End every attempt with SIGTERM's wait status; later ones fail. Idempotent."""
        self._closed = True
        for id_ in tuple(self._timers):
            self._end(id_, signal.SIGTERM)

    async def close(self) -> None:
        """Stop all timers, to be set again when the attempts are resumed. Idempotent."""
        self._closed = True
        self._beginning.clear()
        while self._timers:
            timer = self._timers.popitem()[1]
            if timer is not None:
                timer.cancel()

    def resume(self, attempt: Attempt, elapsed: float | None) -> Fate:
        """Let an attempt last for what is left of its duration."""
        if elapsed is None:
            return Fate.NEVER_STARTED
        self._set_timer(attempt, elapsed)
        return Fate.RUNNING

    def _begin(self) -> None:
        beginning, self._beginning = self._beginning, []
        for attempt in beginning:
            if attempt.id not in self._timers:
                continue  # closed meanwhile
            note = "executor is closed" if self._closed else attempt.simulate_exception
            if note is not None:
                del self._timers[attempt.id]
                self._notify(Failed(attempt.id, note))
                continue
            self._set_timer(attempt, 0.0)
            self._notify(Started(attempt.id))

    def _set_timer(self, attempt: Attempt, elapsed: float) -> None:
        self._timers[attempt.id] = None
        if attempt.run_duration:
            left = max(attempt.run_duration - elapsed, 0.0)
            self._timers[attempt.id] = asyncio.get_running_loop().call_later(
                left, self._end, attempt.id, attempt.simulate_status
            )

    def _end_soon(self, id_: int, status: int) -> None:
        if id_ in self._timers:
            asyncio.get_running_loop().call_soon(self._end, id_, status)

    def _end(self, id_: int, status: int) -> None:
        if id_ not in self._timers:
            return  # it ended, or failed, before the signal came
        timer = self._timers.pop(id_)
        if timer is not None:
            timer.cancel()
        self._notify(Finished(id_, int(status)))
