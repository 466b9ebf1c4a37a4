"""One attempt on this host, from its first process to its one Finished or Failed.

    spawning ──> started ──> all tasks exited ──> output complete ──> ended
       └── a task cannot start: the others are killed ─────────────────┘

An attempt ends when its tasks have exited and its pipes are at their end. A pipe may outlive the
task, held open by what the task has left behind: it is given PIPE_GRACE seconds, or, if the
attempt is being cancelled, until the kill timeout.
"""

import asyncio
import signal
from collections.abc import Callable
from functools import partial
from typing import Final

from msgspec import Struct

from jobmgrd.exec.binding import Binder
from jobmgrd.exec.doom import Doom
from jobmgrd.exec.outlets import Outlets
from jobmgrd.exec.pipe import Quota
from jobmgrd.exec.port import Attempt, Failed, Finished, Input, Notify, Raised, Started
from jobmgrd.exec.process import StartError
from jobmgrd.exec.starter import Starter, Task
from jobmgrd.exec.stdin import Stdin

PIPE_GRACE: Final = 1.0
"""Seconds that pipes may stay open after the last task has exited."""


class Host(Struct, frozen=True):
    """What attempts run with.

    Attributes:
        kill_timeout: seconds from SIGTERM to SIGKILL when an attempt is cancelled.
        output_limit: bytes of output to tell in all, unless the job says so; files have no limit.
        rundir: where tasks run that name no directory.
        binder: binds tasks to CPUs.
        sweep: kills, soon, what has left the process groups of an attempt.
    """

    kill_timeout: float
    output_limit: int
    rundir: str
    binder: Binder
    sweep: Callable[[int], None]


class Running:
    """An attempt under way.

    Args:
        attempt: what to run.
        host: what to run it with.
        notify: told what happens, the end last.
        forget: called once, just before the end is told; the attempt holds nothing then.
        reading: whether to read what tasks write, from the start.
    """

    def __init__(
        self,
        attempt: Attempt,
        host: Host,
        notify: Notify,
        forget: Callable[[int], None],
        *,
        reading: bool = True,
    ) -> None:
        self.attempt = attempt
        self._host = host
        self._notify = notify
        self._forget = forget
        self._loop = asyncio.get_running_loop()
        limit = attempt.options.output_limit
        self._starter = Starter(attempt, host.rundir, host.binder)
        self._tasks: list[Task] = []
        self._stdin = Stdin(self._loop, attempt.id, notify)
        quota = Quota(host.output_limit if limit is None else limit)
        self._outlets = Outlets(
            self._loop, attempt.id, quota, notify, self._end_if_complete, reading=reading
        )
        self._doom = Doom(attempt, self._fall)
        self._living = 0  # tasks that have not exited
        self._started = False
        self._cancelled = False
        self._ended = False
        self._failure: str | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._kill_timer: asyncio.TimerHandle | None = None
        self._limited = False

    def spawn_next(self) -> bool:
        """Start the next task; False when no more is to be started, for whatever reason."""
        if self._cancelled:
            self._watch()
            return False
        try:
            task = self._starter.start()
        except StartError as error:
            self._fail(str(error))
            return False
        self._tasks.append(task)
        self._living += 1
        self._stdin.add(task)
        self._outlets.add(task)
        if len(self._tasks) < self._starter.tasks:
            return True
        self._started = True
        self._outlets.tell_redirects()
        self._watch()
        self._warn_later()
        self._notify(Started(self.attempt.id))
        return False

    def signal(self, signum: int) -> None:
        """Send a signal to the process groups of all tasks that were started."""
        for task in self._tasks:
            task.process.signal(signum)

    def cancel(self) -> None:
        """Send SIGTERM, and SIGKILL after the kill timeout. Idempotent."""
        if self._cancelled:
            return
        self._cancelled = True
        self._doom.stop()
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)  # what is stopped would not see the other
        self._kill_timer = self._call_later(self._host.kill_timeout, self._kill)

    def write(self, given: Input) -> None:
        """Write to the stdin of tasks; one is told as Taken in its turn."""
        self._stdin.write(given)

    def read(self, *, reading: bool) -> None:
        """Read what tasks write, or let them block once their pipes are full."""
        self._outlets.read(reading=reading)

    def _call_later(self, delay: float, call: Callable[..., None]) -> asyncio.TimerHandle:
        timer = self._loop.call_later(delay, call)
        self._timers.append(timer)
        return timer

    def _warn_later(self) -> None:
        warn, duration = self.attempt.options.warn, self.attempt.duration
        if warn is not None and duration:
            self._call_later(max(0.0, duration - warn.timeleft), partial(self.signal, warn.signum))

    def _watch(self) -> None:
        """Look after the tasks that were started; there may be none."""
        self._starter.files.release(keep=self._outlets.labeled)
        for task in self._tasks:
            self._loop.add_reader(task.process.pidfd, self._exited, task)
        self._outlets.watch()
        self._end_if_complete()

    def _fail(self, note: str) -> None:
        """Kill what was started; its output is nobody's."""
        self._failure = note
        self.signal(signal.SIGKILL)
        self._outlets.drop()
        self._watch()

    def _fall(self, note: str) -> None:
        """End an attempt that has gone wrong as a whole."""
        if not (self._cancelled or self._ended):
            self._notify(Raised(self.attempt.id, note))
            self.cancel()

    def _exited(self, task: Task) -> None:
        self._loop.remove_reader(task.process.pidfd)
        self._living -= 1
        if self._living:
            if not self._cancelled and self._failure is None:
                self._doom.ended(task.place, task.process.peek())
            return
        self._doom.stop()
        # What a task wrote before its exit is there already, as a rule with the end.
        self._outlets.drain()
        if self._kill_timer is None:
            self._limit_pipes()
        self._end_if_complete()

    def _kill(self) -> None:
        self._kill_timer = None
        self.signal(signal.SIGKILL)
        self._host.sweep(self.attempt.id)
        if not self._living:
            self._limit_pipes()

    def _limit_pipes(self) -> None:
        if self._outlets.open and not self._limited:
            self._limited = True
            self._call_later(PIPE_GRACE, self._outlets.close)

    def _end_if_complete(self) -> None:
        if self._living or self._outlets.open or self._ended:
            return
        self._ended = True
        for timer in self._timers:
            timer.cancel()
        if self._cancelled:
            self.signal(signal.SIGKILL)  # to what the tasks left behind in their groups
            self._host.sweep(self.attempt.id)  # and elsewhere
        status = max((task.process.reap() for task in self._tasks), default=0)
        if not self._started:
            status = max(status, signal.SIGTERM)
        self._stdin.close()
        self._starter.close()
        id_ = self.attempt.id
        self._forget(id_)
        if self._failure is None:
            self._notify(Finished(id_, int(status)))
        else:
            self._notify(Failed(id_, self._failure))
