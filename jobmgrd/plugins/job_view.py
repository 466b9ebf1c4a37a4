"""A job as plugins see it: everything to decide by, nothing to change."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from jobmgrd.jobs.job import Job
from protocol import jobspec as jobspecs
from protocol.job import Result, State


class JobView:
    """Reads a job; of a job that is still active, whatever is true at that moment."""

    __slots__ = ("_job",)

    def __init__(self, job: Job) -> None:
        self._job = job

    def __repr__(self) -> str:
        return f"<job {self._job.id} {self._job.state.name}>"

    @property
    def id(self) -> int:
        """The FLUID (RFC 19)."""
        return self._job.id

    @property
    def userid(self) -> int:
        """Who submitted it."""
        return self._job.userid

    @property
    def urgency(self) -> int:
        """0 to 31; 0 is held, 16 the default, 31 expedited."""
        return self._job.urgency

    @property
    def priority(self) -> int:
        """As of the last answer to the priority hook."""
        return self._job.priority

    @property
    def state(self) -> str:
        """One of "NEW", "DEPEND", "PRIORITY", "SCHED", "RUN", "CLEANUP" or "INACTIVE"."""
        return str(self._job.state.name)

    @property
    def dependencies(self) -> Collection[str]:
        """The descriptions of the dependencies that are not met yet."""
        return tuple(self._job.dependencies)

    @property
    def name(self) -> str:
        """The job's name; the program's, if it was given none."""
        return self._job.jobspec.name

    @property
    def queue(self) -> str:
        """The queue; "" if it has none."""
        return self._job.jobspec.queue

    @property
    def bank(self) -> str:
        """The bank; "" if it has none."""
        return self._job.jobspec.bank

    @property
    def project(self) -> str:
        """The project; "" if it has none."""
        return self._job.jobspec.project

    @property
    def command(self) -> Sequence[str]:
        """Program and arguments."""
        return self._job.jobspec.command

    @property
    def ntasks(self) -> int:
        """Tasks in all."""
        return self._job.jobspec.ntasks

    @property
    def ncores(self) -> int:
        """Cores asked for."""
        return self._job.jobspec.ncores

    @property
    def ngpus(self) -> int:
        """GPUs asked for."""
        return self._job.jobspec.ngpus

    @property
    def duration(self) -> float:
        """The time limit in seconds; 0.0 is none."""
        return self._job.jobspec.duration

    @property
    def user(self) -> Mapping[str, Any]:
        """attributes.user of the jobspec."""
        return self._job.jobspec.user

    @property
    def jobspec(self) -> Mapping[str, Any]:
        """The whole jobspec (RFC 25) without its environment, as submitted."""
        return jobspecs.redact(self._job.jobspec_json)

    @property
    def t_submit(self) -> float:
        """UNIX time; 0.0 before it."""
        return self._job.t_submit

    @property
    def t_run(self) -> float:
        """When it got its resources; UNIX time, 0.0 before it."""
        return self._job.t_run

    @property
    def t_clean(self) -> float:
        """When it became inactive; UNIX time, 0.0 before it."""
        return self._job.t_clean

    @property
    def result(self) -> Result | None:
        """How it ended; None while it is active."""
        return self._job.result if self._job.state is State.INACTIVE else None

    @property
    def status(self) -> int | None:
        """The wait status of its finish event; None if it has none."""
        return self._job.status
