"""What plugins ask of the job manager (jobmgrd.plugins.manager), done after the hook that asked."""

import asyncio
from collections.abc import Callable, Iterator

from jobmgrd.engine import Engine
from jobmgrd.jobs.job import Job
from jobmgrd.plugins import JobView
from protocol.job import State

SEVERITY_MAX = 7


class PluginRequests:
    """A jobmgrd.plugins.Manager. Raises TypeError or ValueError for what makes no sense."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock

    def now(self) -> float:
        """See Manager."""
        return self._clock()

    def jobs(self) -> Iterator[JobView]:
        """See Manager."""
        return (JobView(job) for job in tuple(self._engine.jobs.values()))

    def reprioritize(self, id: int | None = None) -> None:
        """See Manager."""
        if id is None:
            self._later(self._reprioritize_all)
        else:
            self._on(id, self._engine.reprioritize)

    def release(self, id: int, description: str) -> None:
        """See Manager."""

        def release(job: Job) -> None:
            if job.state is State.DEPEND and description in job.dependencies:
                self._engine.post(job, "dependency-remove", {"description": description})

        self._on(id, release)

    def raise_exception(self, id: int, type: str, note: str, severity: int = 0) -> None:
        """See Manager."""
        if not isinstance(type, str) or not type.isidentifier():
            raise ValueError(f"invalid exception type {type!r}")
        if not isinstance(note, str):
            raise TypeError(f"note is {note!r}, expected a text")
        if severity not in range(SEVERITY_MAX + 1):
            raise ValueError(f"severity is {severity!r}, expected 0 to {SEVERITY_MAX}")
        self._on(id, lambda job: self._engine.raise_exception(job, type, severity, note))

    def _reprioritize_all(self) -> None:
        for job in tuple(self._engine.jobs.values()):
            self._engine.reprioritize(job)

    def _on(self, id: int, change: Callable[[Job], None]) -> None:
        """Change a job, if it is still active by then."""
        if not isinstance(id, int):
            raise TypeError(f"id is {id!r}, expected an integer")

        def later() -> None:
            job = self._engine.jobs.get(id)
            if job is not None and job.state is not State.INACTIVE:
                change(job)

        self._later(later)

    def _later(self, work: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_soon(work)
