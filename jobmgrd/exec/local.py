"""The executor that runs jobs as processes of this host, under its own user."""

import asyncio
from collections import deque
from typing import Final

from jobmgrd.exec.binding import Binder
from jobmgrd.exec.port import Attempt, Executor, Failed, Input, Notify
from jobmgrd.exec.running import Host, Running
from jobmgrd.exec.sweeper import Sweeper

SPAWN_SLICE: Final = 0.001
"""Seconds to go on spawning for before the event loop serves others: two or three processes."""


class LocalExecutor(Executor):
    """Runs attempts as processes, spawned in the order of their start.

    Args:
        notify: told what happens, on the running event loop, and never from inside a call of
            `start`, `signal` or `cancel`.
        kill_timeout: seconds from SIGTERM to SIGKILL.
        output_limit: bytes of an attempt's output to tell; what is more is replaced by one
            Output that says so, on the task's stderr if that is still open.
        rundir: where a job runs that names no directory; jobs' temporary ones are below it.
    """

    def __init__(
        self, notify: Notify, *, kill_timeout: float, output_limit: int, rundir: str
    ) -> None:
        self._notify = notify
        self._rundir = rundir
        self._sweeper = Sweeper(rundir)
        self.configure(kill_timeout=kill_timeout, output_limit=output_limit, bind=False)
        self._attempts: dict[int, Running] = {}
        self._spawning: deque[Running] = deque()
        self._reading = True
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    def configure(self, *, kill_timeout: float, output_limit: int, bind: bool) -> None:
        """Set what holds for attempts to be started.

        Args:
            kill_timeout: see the class.
            output_limit: the same.
            bind: whether the cores of jobs are those of this host, to bind tasks to.
        """
        binder = Binder(bind=bind)
        sweep = self._sweeper.sweep
        self._host = Host(kill_timeout, output_limit, self._rundir, binder, sweep)

    def start(self, attempt: Attempt) -> None:
        """Queue an attempt for its processes to be spawned soon.

        Each task runs in a session of its own. Failed tells why one could not be started; the
        attempt's other tasks are killed then.
        """
        loop = asyncio.get_running_loop()
        if self._closed:
            loop.call_soon(self._notify, Failed(attempt.id, "executor is closed"))
            return
        running = Running(attempt, self._host, self._notify, self._forget, reading=self._reading)
        self._attempts[attempt.id] = running
        self._idle.clear()
        self._spawning.append(running)
        if len(self._spawning) == 1:
            loop.call_soon(self._spawn)

    def signal(self, id: int, signum: int) -> None:
        """Send a signal to the process group of each task; nothing if none is started yet."""
        if running := self._attempts.get(id):
            running.signal(signum)

    def write(self, id: int, input: Input) -> None:
        """Write to the stdin of tasks; Taken tells that they have it."""
        if running := self._attempts.get(id):
            running.write(input)

    def cancel(self, id: int) -> None:
        """End a job: SIGTERM to its process groups, SIGKILL after the kill timeout.

        What has left its group is killed, too, once its tasks have ended (see Sweeper).
        An attempt whose tasks are not all started yet starts no more, is never told as Started,
        and finishes with SIGTERM's wait status or a larger one.
        """
        if running := self._attempts.get(id):
            running.cancel()

    def read(self, *, reading: bool) -> None:
        """Read what tasks write, or let them block once their pipes are full."""
        if reading is not self._reading:
            self._reading = reading
            for running in self._attempts.values():
                running.read(reading=reading)

    async def terminate(self) -> None:
        """Cancel every attempt and wait until all have ended; later ones fail. Idempotent."""
        self._closed = True
        for running in tuple(self._attempts.values()):
            running.cancel()
        await self._idle.wait()
        self._sweeper.finish()

    async def close(self) -> None:
        """Do as `terminate`: there is nobody to leave attempts to."""
        await self.terminate()

    def _spawn(self) -> None:
        """Spawn for the length of a slice, and go on in the loop's next turn."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + SPAWN_SLICE
        while self._spawning:
            if not self._spawning[0].spawn_next():
                self._spawning.popleft()
            if loop.time() >= deadline:
                break
        if self._spawning:
            loop.call_soon(self._spawn)

    def _forget(self, id_: int) -> None:
        del self._attempts[id_]
        if not self._attempts:
            self._idle.set()
