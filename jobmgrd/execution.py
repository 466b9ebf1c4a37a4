"""Execution: a job's tasks from the start to the end, and its time limit.

What has to be durable before the world changes is: tasks are started after the commit that says
that the job has resources, and what the executor tells becomes events. flux-core's counterpart is
job-manager/start.c.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import structlog

from jobmgrd.commits import Commits
from jobmgrd.exec.attempt import attempt_of
from jobmgrd.exec.port import (
    Attempt,
    ExecEvent,
    Executor,
    Failed,
    Fate,
    Finished,
    Input,
    Output,
    Raised,
    Redirected,
    Started,
    Taken,
)
from jobmgrd.jobs.job import Job
from jobmgrd.output import JobOutput
from protocol.errors import FormatError
from protocol.job import State

log = structlog.get_logger()

_NOT_STARTED: Final = 127 << 8
"""The wait status of a command that could not be started, as a shell has it."""
_LOST: Final = 9
"""The wait status of processes that were lost: nobody saw how they ended."""


class Jobs(Protocol):
    """What is needed of the engine."""

    commits: Commits

    def post(self, job: Job, name: str, context: Mapping[str, Any] | None = None) -> None:
        """Have an event happen to a job."""

    def raise_exception(
        self, job: Job, type: str, severity: int, note: str, userid: int | None = None
    ) -> None:
        """Have an exception happen to a job."""

    def advance(self, job: Job) -> None:
        """Do what is due for a job."""


class Execution:
    """The tasks of all jobs."""

    def __init__(self, jobs: Jobs, executor: Executor, clock: Callable[[], float]) -> None:
        self._jobs = jobs
        self._executor = executor
        self._clock = clock
        self._output = JobOutput(jobs.commits, clock)
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._stopping = False
        self.input_taken: Callable[[Job], None] = lambda _job: None
        """Called when the oldest input that was written to a job is with its tasks."""

    def stop(self) -> None:
        """Start no more tasks: they are left to the next daemon."""
        self._stopping = True

    # --- jobs -------------------------------------------------------------------------------

    def start(self, job: Job) -> None:
        """Start a job's tasks, once the job as it is now is durable."""
        job.start_asked = True
        self._jobs.commits.after(job, self._start)

    def _start(self, job: Job) -> None:
        if job.state is not State.RUN:  # an exception came first: nothing was started
            job.start_asked = False
            self._jobs.advance(job)
            return
        if self._stopping:
            return
        attempt = self._attempt(job)
        if attempt is not None:
            self._limit_time(job, 0.0)
            self._executor.start(attempt)

    def _attempt(self, job: Job) -> Attempt | None:
        """The attempt of a job, which fails if there can be none."""
        try:
            return attempt_of(job)
        except FormatError as error:
            self.told(job, Failed(job.id, str(error)))
            return None

    def resume(self, job: Job) -> None:
        """Go on with a job that was about to start, or to end, or in between."""
        job.start_asked = True
        elapsed = self._elapsed(job)
        attempt = self._attempt(job)
        if attempt is None:
            return
        fate = self._executor.resume(attempt, elapsed if job.started else None)
        log.debug("job.resumed", id=job.id, fate=fate.name)
        if fate is Fate.NEVER_STARTED:
            self._start(job)
        elif fate is Fate.LOST:
            job.end_asked = True
            note = "lost contact with the job's processes: jobmgrd was restarted"
            self._jobs.raise_exception(job, "exec", 0, note)
            self._jobs.post(job, "finish", {"status": _LOST})
        else:
            if fate is Fate.RUNNING:
                self._limit_time(job, elapsed)
            self._jobs.advance(job)

    def signal(self, job: Job, signum: int) -> None:
        """Send a signal to a running job's processes."""
        self._executor.signal(job.id, signum)

    def write(self, job: Job, given: Input) -> None:
        """Write to the stdin of a running job's tasks."""
        self._executor.write(job.id, given)

    def cancel(self, job: Job) -> None:
        """End a job's tasks."""
        self._executor.cancel(job.id)

    # --- time limits ------------------------------------------------------------------------

    def limit_anew(self, job: Job) -> None:
        """A job's time limit has changed."""
        if job.state is State.RUN and job.start_asked:
            self.end_limit(job)
            self._limit_time(job, self._elapsed(job))

    def end_limit(self, job: Job) -> None:
        """A job's tasks have ended."""
        timer = self._timers.pop(job.id, None)
        if timer is not None:
            timer.cancel()

    def _elapsed(self, job: Job) -> float:
        return self._clock() - (job.t_ready or job.t_run)

    def _limit_time(self, job: Job, elapsed: float) -> None:
        if job.jobspec.duration:
            left = max(job.jobspec.duration - elapsed, 0.0)
            self._timers[job.id] = asyncio.get_running_loop().call_later(left, self._expired, job)

    def _expired(self, job: Job) -> None:
        if job.state is State.RUN:
            self._jobs.raise_exception(job, "timeout", 0, "resource allocation expired")

    # --- what the executor tells ------------------------------------------------------------

    def told(self, job: Job, event: ExecEvent) -> None:
        """Something happened to a job's tasks; the job may have ended by itself meanwhile."""
        match event:
            case Started():
                if job.state is State.RUN:
                    self._jobs.post(job, "start")
            case Output() | Redirected():
                self._output.keep(job, event)
            case Taken():
                self.input_taken(job)
            case Raised():
                if job.state is State.RUN:
                    self._jobs.raise_exception(job, "exec", 0, event.note)
            case Finished():
                given = job.exception_status
                status = event.status if given is None else given
                self._jobs.post(job, "finish", {"status": status})
            case Failed():
                job.end_asked = True
                self._jobs.raise_exception(job, "exec", 0, event.note)
                status = _LOST if job.started else _NOT_STARTED
                self._jobs.post(job, "finish", {"status": status})
