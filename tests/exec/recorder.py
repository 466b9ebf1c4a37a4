"""What the executors' tests share: attempts with defaults, and a recorder of their events."""

import asyncio
import os
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import msgspec

from jobmgrd.exec.port import Attempt, ExecEvent, Failed, Finished, Output, Started
from protocol.resource_set import Rank
from protocol.shell_options import ShellOptions
from protocol.taskmap import Block

BASE = Attempt(
    id=1,
    userid=0,
    name="test",
    command=("true",),
    cwd=None,
    environment={"PATH": "/usr/bin:/bin"},
    slots=1,
    nodes=(Rank(0, (0,), (), "here"),),
    taskmap=(Block(0, 1, 1, 1),),
    options=ShellOptions(stdin="/dev/null"),
)
OPTIONS = {field.name for field in msgspec.structs.fields(ShellOptions)} - {"taskmap"}


def attempt(*command: str, tasks: int = 1, **fields: object) -> Attempt:
    """An attempt of `true`, or of another command, with these fields and options changed."""
    if command:
        fields["command"] = command
    options = {name: fields.pop(name) for name in OPTIONS & fields.keys()}
    fields.setdefault("options", msgspec.structs.replace(BASE.options, **options))
    fields.setdefault("taskmap", (Block(0, 1, tasks, 1),))
    return msgspec.structs.replace(BASE, **fields)


def python(script: str, tasks: int = 1, **fields: object) -> Attempt:
    """An attempt that runs a Python script, bare so that it starts quickly."""
    return attempt(sys.executable, "-I", "-S", "-c", script, tasks=tasks, **fields)


class Recorder:
    """Keeps what an executor tells, by job, and lets a test wait for it."""

    def __init__(self) -> None:
        self.events: dict[int, list[ExecEvent]] = defaultdict(list)
        self._told: asyncio.Queue[ExecEvent] = asyncio.Queue()

    def __call__(self, event: ExecEvent) -> None:
        """Be the executor's `notify`."""
        self.events[event.id].append(event)
        self._told.put_nowait(event)

    async def until(self, wanted: Callable[[ExecEvent], bool]) -> ExecEvent:
        """The next event that is wanted."""
        async with asyncio.timeout(20):
            while not wanted(event := await self._told.get()):
                pass
        return event

    async def end(self) -> Finished | Failed:
        """The next event that ends an attempt."""
        event = await self.until(lambda event: isinstance(event, Finished | Failed))
        assert isinstance(event, Finished | Failed)
        return event

    async def start(self) -> ExecEvent:
        """The next event that starts an attempt."""
        return await self.until(lambda event: isinstance(event, Started))

    async def pause(self) -> None:
        """Let the loop go round once."""
        await asyncio.sleep(0)

    async def written(self, data: bytes) -> None:
        """Wait for an output that holds these bytes."""
        await self.until(lambda event: isinstance(event, Output) and data in event.data)

    def output(self, stream: str = "stdout", *, rank: int = 0, id_: int = 1) -> bytes:
        """All bytes told of one stream of a task."""
        return b"".join(
            event.data
            for event in self.events[id_]
            if isinstance(event, Output) and (event.rank, event.stream) == (rank, stream)
        )


def descriptors() -> list[Path]:
    """The descriptors that this process has open."""
    return sorted(Path("/proc/self/fd").iterdir())


def has_children() -> bool:
    """Whether this process has children, zombies included."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
