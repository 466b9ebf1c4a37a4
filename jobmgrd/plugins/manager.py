"""What a plugin may ask of the job manager; jobs are changed once the hook has returned."""

from collections.abc import Iterator
from typing import Protocol

from jobmgrd.plugins.job_view import JobView


class Manager(Protocol):
    """Given to a plugin as it is made; of use on the event loop's thread alone."""

    def now(self) -> float:
        """The daemon's clock: UNIX time."""

    def jobs(self) -> Iterator[JobView]:
        """The jobs that are active now."""

    def reprioritize(self, id: int | None = None) -> None:
        """Ask for the priority of a job anew, or of all jobs."""

    def release(self, id: int, description: str) -> None:
        """Remove a dependency that a hook of the plugin made; nothing if the job has none such."""

    def raise_exception(self, id: int, type: str, note: str, severity: int = 0) -> None:
        """Post an exception on an active job (RFC 21); severity 0 ends it."""
