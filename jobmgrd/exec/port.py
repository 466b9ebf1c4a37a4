"""The port to execution: jobs go in as attempts, what happens to them comes back as events.

It speaks of jobs, attempts, states and output, never of pids, so that an engine elsewhere can
stand behind it. The executor calls `notify` on the event loop, for each attempt:

    Started?  (Output | Redirected | Taken | Raised)*  (Finished | Failed)

Exactly one Finished or Failed ends an attempt; nothing comes after it.

An executor may outlive the daemon. Its `position` says which events it has told; the engine keeps
it in the commit that keeps what these events changed, acknowledges it, and gives it back to the
next daemon's executor, which goes on from there:

    open(position) ──> resume, for each job that had resources ──> begin ──> start, notify, ...
"""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Protocol, TypeAlias

from msgspec import Struct

from protocol import taskmap
from protocol.jobspec import File
from protocol.resource_set import Rank
from protocol.shell_options import ShellOptions
from protocol.taskmap import Block


class Attempt(Struct, frozen=True, array_like=True):
    """One execution of a job."""

    id: int
    userid: int
    name: str
    command: tuple[str, ...]
    cwd: str | None  # None: the daemon's run directory
    environment: Mapping[str, str]
    slots: int  # how many task slots were allocated
    nodes: tuple[Rank, ...]  # what was allocated; all of them are on this host
    taskmap: tuple[Block, ...]  # which task runs on which of the nodes
    options: ShellOptions
    files: Mapping[str, File] = {}  # put into the job's temporary directory
    duration: float = 0.0  # its time limit, which is the daemon's business; 0.0 is none
    run_duration: float | None = None  # simulate this many seconds (0.0: until ended), not run
    simulate_status: int = 0  # wait status that a simulated attempt ends with
    simulate_exception: str | None = None  # raise an exec exception with this note at start

    @property
    def tasks(self) -> int:
        """How many tasks there are."""
        return taskmap.size(self.taskmap)


class Input(Struct, frozen=True, array_like=True):
    """Bytes for the stdin of some tasks; `eof` closes it."""

    data: bytes
    eof: bool = False
    ranks: tuple[int, ...] | None = None  # None: all


class Started(Struct, frozen=True, tag=True, array_like=True):
    """Every task of the attempt runs."""

    id: int


class Output(Struct, frozen=True, tag=True, array_like=True):
    """Bytes that a task wrote; empty with `eof`."""

    id: int
    rank: int
    stream: str  # "stdout" or "stderr"
    data: bytes
    eof: bool = False


class Redirected(Struct, frozen=True, tag=True, array_like=True):
    """What some tasks write to a stream goes to a file."""

    id: int
    stream: str
    ranks: tuple[int, ...]
    path: str


class Taken(Struct, frozen=True, tag=True, array_like=True):
    """The oldest input that was not told as taken is with the tasks, or dropped if they ended."""

    id: int


class Raised(Struct, frozen=True, tag=True, array_like=True):
    """The attempt is being ended for a reason of its own: an exec exception with this note."""

    id: int
    note: str


class Finished(Struct, frozen=True, tag=True, array_like=True):
    """Every task has exited and its output is complete."""

    id: int
    status: int  # the largest wait status of its tasks (RFC 21 finish event)


class Failed(Struct, frozen=True, tag=True, array_like=True):
    """The attempt could not start, or was lost: an exec exception with this note."""

    id: int
    note: str


ExecEvent: TypeAlias = Started | Output | Redirected | Taken | Raised | Finished | Failed
Notify: TypeAlias = Callable[[ExecEvent], None]


class Fate(Enum):
    """What became of an attempt while no daemon was there."""

    RUNNING = auto()
    ENDED = auto()  # its end will be told
    NEVER_STARTED = auto()
    LOST = auto()


class Executor(Protocol):
    """The port. It owns processes, timers and pipes; it never blocks the event loop for long.

    What has a body here is what an executor does whose attempts end with the daemon: it inherits.
    """

    def start(self, attempt: Attempt) -> None:
        """Begin an attempt; what comes of it is told through `notify`, never by raising."""

    def signal(self, id: int, signum: int) -> None:
        """Send a signal to every process of a job; nothing if it does not run."""

    def write(self, id: int, input: Input) -> None:  # noqa: ARG002 - a default
        """Write to the stdin of a job's tasks; nothing is told of it if it does not run."""
        return

    def cancel(self, id: int) -> None:
        """End a job: SIGTERM, and SIGKILL after the kill timeout; for its process groups."""

    async def terminate(self) -> None:
        """Cancel every attempt, and return when all ends were told; later attempts fail."""

    async def close(self) -> None:
        """Release everything, and tell nothing more. Idempotent.

        Attempts under way go on if the executor outlives the daemon, and are ended otherwise.
        """

    @property
    def position(self) -> bytes:
        """A mark behind the last event told; b"" if nothing would be told again."""
        return b""

    async def open(self, position: bytes) -> None:  # noqa: ARG002 - a default
        """Find the attempts of earlier daemons; tell nothing before `begin`.

        Args:
            position: the last one that is durable.

        Raises:
            ExecError: nothing can be executed.
        """
        return

    def resume(self, attempt: Attempt, elapsed: float | None) -> Fate:  # noqa: ARG002 - a default
        """Take an attempt of an earlier daemon over, which only then is told of.

        Args:
            attempt: as it was started.
            elapsed: seconds since it was started; None if it was not told as Started.
        """
        return Fate.LOST

    def begin(self) -> None:
        """Tell the events after the position; end attempts of earlier daemons not resumed."""
        return

    def acknowledge(self, position: bytes) -> None:  # noqa: ARG002 - a default
        """Forget the events up to a position: what they changed is durable."""
        return


class ExecError(Exception):
    """Nothing can be executed; the text is for the person who runs the daemon."""
