"""The port to execution: jobs go in as attempts, what happens to them comes back as events.

It speaks of jobs, attempts, states and output, never of pids, so that an engine elsewhere can
stand behind it. The executor calls `notify` on the event loop, for each attempt:

    Started?  Output*  (Finished | Failed)

Exactly one Finished or Failed ends an attempt; nothing comes after it.
"""

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from msgspec import Struct


class Attempt(Struct, frozen=True):
    """One execution of a job."""

    id: int
    userid: int
    command: tuple[str, ...]
    cwd: str | None  # None: the daemon's run directory
    environment: Mapping[str, str]
    slots: int  # how many task slots were allocated
    tasks: int  # how many tasks in all, spread over the slots in rank order
    stdout: str | None  # a path with {{id}} and {{taskid}} templates; None keeps it with the job
    stderr: str | None  # None: with the job, or where stdout goes
    label_io: bool
    cores: tuple[int, ...]  # local core numbers allocated on this host
    gpus: tuple[int, ...]
    run_duration: float | None = None  # simulate this many seconds (0.0: until ended), not run
    simulate_status: int = 0  # wait status that a simulated attempt ends with
    simulate_exception: str | None = None  # raise an exec exception with this note at start


class Started(Struct, frozen=True):
    """Every task of the attempt runs."""

    id: int


class Output(Struct, frozen=True):
    """Bytes that a task wrote; empty with `eof`."""

    id: int
    rank: int
    stream: str  # "stdout" or "stderr"
    data: bytes
    eof: bool = False


class Finished(Struct, frozen=True):
    """Every task has exited and its output is complete."""

    id: int
    status: int  # the largest wait status of its tasks (RFC 21 finish event)


class Failed(Struct, frozen=True):
    """The attempt could not start, or was lost: an exec exception with this note."""

    id: int
    note: str


ExecEvent: TypeAlias = Started | Output | Finished | Failed
Notify: TypeAlias = Callable[[ExecEvent], None]


class Executor(Protocol):
    """The port. It owns processes, timers and pipes; it never blocks the event loop for long."""

    def start(self, attempt: Attempt) -> None:
        """Begin an attempt; what comes of it is told through `notify`, never by raising."""

    def signal(self, id: int, signum: int) -> None:
        """Send a signal to every process of a job; nothing if it does not run."""

    def cancel(self, id: int) -> None:
        """End a job: SIGTERM, and SIGKILL after the kill timeout; for its process groups."""

    async def close(self) -> None:
        """End every attempt (SIGTERM, then SIGKILL) and release everything. Idempotent."""
