"""Prolog and epilog: commands of the site before a job's tasks and after them (perilog.c).

They run as the daemon's user, under the supervisor that also keeps the jobs, so they outlive the
daemon. What their ends lead to is told by events, as everything of a job:

    prolog fails     exception of severity 0; its nodes are drained; no task is started
    epilog fails     exception of severity 2; the job's nodes are drained
    prolog canceled  by an exception on the job: nobody's fault, unless it does not end in time
"""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol

import structlog

from jobmgrd.commits import Commits
from jobmgrd.exec.port import Attempt, ExecEvent, Executor, Failed, Fate, Finished, Output
from jobmgrd.jobs.job import Job, Perilog
from jobmgrd.jobs.site_command import SiteCommand
from jobmgrd.jobs.states import Plan
from jobmgrd.jobs.times import expiration
from jobmgrd.site import Site, note_output, ranks_of
from protocol import eventlog, hostlist, jobid
from protocol.job import State

log = structlog.get_logger()

KILL_TIMEOUT: Final = 60.0
"""Seconds from SIGTERM to SIGKILL for a command that was begun by a daemon that knew of it."""

_NOT_STARTED: Final = 127 << 8
_SIGNALED: Final = 128
_CANCELED: Final = "canceled"
_TIMED_OUT: Final = "timed out"
_TOO_LATE: Final = "canceled then timed out"


class Jobs(Protocol):
    """What is needed of the engine."""

    commits: Commits

    def post(self, job: Job, name: str, context: Mapping[str, Any] | None = None) -> None:
        """Have an event happen to a job."""

    def advance(self, job: Job) -> None:
        """Do what is due for a job."""


class Perilogs:
    """The commands that are configured, and those that run.

    Attributes:
        plan: which of them there are.
        draining: ids of jobs whose resources are not to be freed before their nodes are drained.
    """

    def __init__(
        self, jobs: Jobs, executor: Executor, site: Site, clock: Callable[[], float]
    ) -> None:
        self.plan = Plan()
        self.draining: set[int] = set()
        self._jobs = jobs
        self._executor = executor
        self._site = site
        self._clock = clock
        self._commands: dict[Perilog, SiteCommand] = {}  # the last ones, for those that run
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._ending: dict[int, str] = {}  # why one of them is being ended

    def configure(self, prolog: SiteCommand | None, epilog: SiteCommand | None) -> None:
        """Run these from now on; what was begun goes on, by the command that it was begun with."""
        if prolog is not None:
            self._commands["prolog"] = prolog
        if epilog is not None:
            self._commands["epilog"] = epilog
        self.plan = Plan(prolog is not None, epilog is not None)

    # --- begin and end ----------------------------------------------------------------------

    def begin(self, job: Job, name: Perilog) -> None:
        """Run a command for a job, once it is durable that it runs."""
        self._jobs.post(job, f"{name}-start", {"description": _description(name)})
        self._jobs.commits.after(job, self._run)

    def resume(self, job: Job) -> None:
        """Go on with the command of a job that an earlier daemon began."""
        fate = self._executor.resume(self._attempt(job), 0.0)
        log.debug("perilog.resumed", id=job.id, name=job.perilog, fate=fate.name)
        if fate is Fate.LOST and job.perilog == "prolog":
            self._end(job, _NOT_STARTED, "lost contact with it: jobmgrd was restarted")
        elif fate in (Fate.LOST, Fate.NEVER_STARTED):
            self._run(job)
        else:
            if fate is Fate.RUNNING:
                self._limit_time(job, self._clock() - _begun(job))
            self._jobs.advance(job)

    def cancel(self, job: Job) -> None:
        """End a prolog: an exception was raised on the job."""
        command = self._commands.get("prolog")
        if job.id not in self._ending and (command is None or command.cancel_on_exception):
            self._terminate(job, _CANCELED)

    def executed(self, job: Job, event: ExecEvent) -> None:
        """What the executor tells of a job's command."""
        match event:
            case Output():
                note_output(_name(job), event)
            case Finished(_, status):
                self._end(job, status)
            case Failed(_, note):
                self._end(job, _NOT_STARTED, note)

    def _run(self, job: Job) -> None:
        if job.perilog is None or self._site.stopping:
            return  # it is left to the next daemon
        if job.perilog == "prolog" and job.state is not State.RUN:
            self._ending[job.id] = _CANCELED  # an exception came first: nothing was started
            self._end(job, signal.SIGTERM)
            return
        self._limit_time(job, 0.0)
        self._executor.start(self._attempt(job))

    def _attempt(self, job: Job) -> Attempt:
        command = self._commands.get(_name(job))
        words = () if command is None else command.command
        return self._site.attempt(job.id, job.userid, job.ranks, words)

    def _limit_time(self, job: Job, elapsed: float) -> None:
        command = self._commands.get(_name(job))
        if command is not None and command.timeout:
            left = max(command.timeout - elapsed, 0.0)
            self._call_later(left, job, lambda job: self._terminate(job, _TIMED_OUT))

    def _terminate(self, job: Job, why: str) -> None:
        self._ending[job.id] = why
        self._executor.signal(job.id, signal.SIGTERM)
        command = self._commands.get(_name(job))
        self._call_later(command.kill_timeout if command else KILL_TIMEOUT, job, self._kill)

    def _kill(self, job: Job) -> None:
        if self._ending[job.id] == _CANCELED:
            self._ending[job.id] = _TOO_LATE
        self._executor.signal(job.id, signal.SIGKILL)

    def _call_later(self, delay: float, job: Job, then: Callable[[Job], None]) -> None:
        self._cancel_timer(job)
        self._timers[job.id] = asyncio.get_running_loop().call_later(delay, then, job)

    def _cancel_timer(self, job: Job) -> None:
        timer = self._timers.pop(job.id, None)
        if timer is not None:
            timer.cancel()

    def _end(self, job: Job, status: int, note: str = "") -> None:
        """Post what the end of a command leads to; nothing of an epilog that a stop has ended."""
        name = _name(job)
        if self._site.stopping and name == "epilog":
            return
        self._cancel_timer(job)
        why = self._ending.pop(job.id, "")
        if why in (_TIMED_OUT, _TOO_LATE) or (status and not why):
            self._drain_nodes(job, f"{name} {why or 'failed'} for job {jobid.encode(job.id)}")
            context = {
                "type": name,
                "severity": 0 if name == "prolog" else 2,
                "note": f"{_what(name, status, why, note)} on {_where(job)}",
            }
            if name == "prolog":
                job.end_asked = True  # it has ended: the exception does not ask for it
            self._jobs.post(job, "exception", context)
        finish = {"description": _description(name), "status": int(status)}
        self._jobs.post(job, f"{name}-finish", finish)
        if name == "prolog" and job.state is State.RUN and (end := expiration(job)):
            # R said when it would have been without a prolog.
            self._jobs.post(job, "resource-update", {"expiration": end})

    def _drain_nodes(self, job: Job, reason: str) -> None:
        """Drain a job's nodes; begun before the event that lets them be freed is written."""
        self.draining.add(job.id)
        self._site.drain(job.ranks, reason, partial(self._drained, job))

    def _drained(self, job: Job) -> None:
        self.draining.discard(job.id)
        self._jobs.advance(job)


def _name(job: Job) -> Perilog:
    if job.perilog is None:
        raise ValueError(f"job {job.id} runs neither prolog nor epilog")
    return job.perilog


def _description(name: Perilog) -> str:
    return f"job-manager.{name}"


def _begun(job: Job) -> float:
    """When a job's command was begun (UNIX time)."""
    spelled = f'"name":"{job.perilog}-start"'.encode()  # as protocol.eventlog does
    line = next(line for line in reversed(job.entries) if spelled in line)
    return eventlog.decode_line(line).timestamp


def _what(name: Perilog, status: int, why: str, note: str) -> str:
    if why:
        return f"{name} {why}"
    if note:
        return f"{name} did not run ({note})"
    code = os.waitstatus_to_exitcode(status)
    if code < 0 or code > _SIGNALED:
        return f"{name} killed by signal {-code if code < 0 else code - _SIGNALED}"
    return f"{name} exited with code={code}"


def _where(job: Job) -> str:
    hosts = hostlist.format(rank.host for rank in job.ranks)
    return f"{hosts} (rank {ranks_of(job.ranks)})"
