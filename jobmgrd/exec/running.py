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
from typing import IO, Final

from jobmgrd.exec.environment import job_environment, task_environment
from jobmgrd.exec.files import OutputFiles
from jobmgrd.exec.pipe import Pipe, Quota
from jobmgrd.exec.port import Attempt, Failed, Finished, Notify, Output, Started
from jobmgrd.exec.process import Process, StartError, spawn
from jobmgrd.exec.template import render

PIPE_GRACE: Final = 1.0
"""Seconds that pipes may stay open after the last task has exited."""


class Running:
    """An attempt under way.

    Args:
        attempt: what to run.
        notify: told what happens, the end last.
        forget: called once, just before the end is told; the attempt holds nothing then.
        kill_timeout: seconds from SIGTERM to SIGKILL when it is cancelled.
        output_limit: bytes of output to tell in all; files are not limited.
        default_cwd: where tasks run that name no directory.
        reading: whether to read what tasks write, from the start.
    """

    def __init__(
        self,
        attempt: Attempt,
        notify: Notify,
        forget: Callable[[int], None],
        *,
        kill_timeout: float,
        output_limit: int,
        default_cwd: str,
        reading: bool = True,
    ) -> None:
        self.attempt = attempt
        self._notify = notify
        self._forget = forget
        self._kill_timeout = kill_timeout
        self._loop = asyncio.get_running_loop()
        self._cwd = attempt.cwd or default_cwd
        self._environment = job_environment(attempt)
        self._quota = Quota(output_limit)
        self._files = OutputFiles(self._cwd)
        self._tasks: list[Process] = []
        self._pipes: dict[tuple[int, str], Pipe] = {}
        self._living = 0  # tasks that have not exited
        self._reading = reading
        self._started = False
        self._watched = False
        self._cancelled = False
        self._ended = False
        self._failure: str | None = None
        self._kill_timer: asyncio.TimerHandle | None = None
        self._grace_timer: asyncio.TimerHandle | None = None

    def spawn_next(self) -> bool:
        """Start the next task; False when no more is to be started, for whatever reason."""
        if self._cancelled:
            self._watch()
            return False
        try:
            self._spawn(rank=len(self._tasks))
        except StartError as error:
            self._fail(str(error))
            return False
        if len(self._tasks) < self.attempt.tasks:
            return True
        self._started = True
        self._watch()
        self._notify(Started(self.attempt.id))
        return False

    def signal(self, signum: int) -> None:
        """Send a signal to the process groups of all tasks that were started."""
        for task in self._tasks:
            task.signal(signum)

    def cancel(self) -> None:
        """Send SIGTERM, and SIGKILL after the kill timeout. Idempotent."""
        if self._cancelled:
            return
        self._cancelled = True
        self.signal(signal.SIGTERM)
        self._kill_timer = self._loop.call_later(self._kill_timeout, self._kill)

    def read(self, *, reading: bool) -> None:
        """Read what tasks write, or let them block once their pipes are full."""
        self._reading = reading
        if not self._watched:
            return
        for pipe in self._pipes.values():
            if reading:
                pipe.watch()
            else:
                pipe.ignore()

    def _spawn(self, rank: int) -> None:
        attempt = self.attempt
        expand = partial(render, id_=attempt.id, rank=rank, size=attempt.tasks)
        stdout = stderr = None
        if attempt.stdout is not None:
            stdout = self._files.open(expand(attempt.stdout))
        if attempt.stderr is not None:
            stderr = self._files.open(expand(attempt.stderr))
        task = spawn(
            [expand(argument) for argument in attempt.command],
            cwd=self._cwd,
            environment=task_environment(self._environment, rank),
            stdout=stdout,
            stderr=stdout if stderr is None else stderr,
        )
        self._tasks.append(task)
        self._living += 1
        self._add_pipe(rank, "stdout", task.stdout)
        self._add_pipe(rank, "stderr", task.stderr)

    def _add_pipe(self, rank: int, stream: str, file: IO[bytes] | None) -> None:
        if file is not None:
            tell = partial(self._output, rank, stream)
            self._pipes[rank, stream] = Pipe(self._loop, file, tell)

    def _watch(self) -> None:
        """Look after the tasks that were started; there may be none."""
        self._files.close()
        for task in self._tasks:
            self._loop.add_reader(task.pidfd, self._exited, task)
        self._watched = True
        self.read(reading=self._reading)
        self._end_if_complete()

    def _fail(self, note: str) -> None:
        """Kill what was started; its output is nobody's."""
        self._failure = note
        self.signal(signal.SIGKILL)
        self._close_pipes()
        self._watch()

    def _exited(self, task: Process) -> None:
        self._loop.remove_reader(task.pidfd)
        self._living -= 1
        if not self._living:
            # What a task wrote before its exit is there already, as a rule with the end.
            for pipe in tuple(self._pipes.values()):
                pipe.drain()
            if self._kill_timer is None:
                self._limit_pipes()
            self._end_if_complete()

    def _output(self, rank: int, stream: str, data: bytes) -> None:
        """Tell bytes that a task wrote, or b"" for the end of a stream."""
        if not data:
            del self._pipes[rank, stream]
        if self._failure is not None:
            return
        kept, notice = self._quota.take(data)
        if kept or not data:
            self._notify(Output(self.attempt.id, rank, stream, kept, eof=not data))
        if notice is not None:
            where = "stderr" if (rank, "stderr") in self._pipes else stream
            self._notify(Output(self.attempt.id, rank, where, notice))
        self._end_if_complete()

    def _kill(self) -> None:
        self._kill_timer = None
        self.signal(signal.SIGKILL)
        if not self._living:
            self._limit_pipes()

    def _limit_pipes(self) -> None:
        if self._pipes and self._grace_timer is None:
            self._grace_timer = self._loop.call_later(PIPE_GRACE, self._close_pipes)

    def _close_pipes(self) -> None:
        for pipe in tuple(self._pipes.values()):
            pipe.drain()
            pipe.close()

    def _end_if_complete(self) -> None:
        if self._living or self._pipes or self._ended:
            return
        self._ended = True
        for timer in (self._kill_timer, self._grace_timer):
            if timer is not None:
                timer.cancel()
        if self._cancelled:
            self.signal(signal.SIGKILL)  # to what the tasks left behind in their groups
        status = max((task.reap() for task in self._tasks), default=0)
        if not self._started:
            status = max(status, signal.SIGTERM)
        id_ = self.attempt.id
        self._forget(id_)
        if self._failure is None:
            self._notify(Finished(id_, int(status)))
        else:
            self._notify(Failed(id_, self._failure))
