"""What gathers between two writes: the jobs that changed, and what waits until they are durable."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TypeAlias, TypeVar

from msgspec import Struct

from jobmgrd.jobs.job import Job
from protocol.job_manager import SubmitReply

T = TypeVar("T")

Effect: TypeAlias = Callable[[Job], None]
Waiting: TypeAlias = "tuple[Job, asyncio.Future[None]]"


class Gathered(Struct):
    """All of it, by job or in order."""

    dirty: dict[int, Job] = {}
    effects: list[tuple[Job, Effect]] = []
    waiting: list[Waiting] = []
    output: dict[int, list[bytes]] = {}
    input: dict[int, list[bytes]] = {}
    submits: "dict[int, asyncio.Future[SubmitReply]]" = {}

    def part(self, count: int) -> "Gathered":
        """Take out so many jobs, those that wait longest, and all that goes with them."""
        ids = list(islice(self.dirty, count))
        part = Gathered()
        part.dirty = _moved(self.dirty, ids)
        part.output = _moved(self.output, ids)
        part.input = _moved(self.input, ids)
        part.submits = _moved(self.submits, ids)
        taken = part.dirty
        part.effects = [item for item in self.effects if item[0].id in taken]
        part.waiting = [item for item in self.waiting if item[0].id in taken]
        self.effects = [item for item in self.effects if item[0].id not in taken]
        self.waiting = [item for item in self.waiting if item[0].id not in taken]
        return part


def _moved(by_job: dict[int, T], ids: Sequence[int]) -> dict[int, T]:
    """Take out what there is of these jobs."""
    return {id: by_job.pop(id) for id in ids if id in by_job}
