"""What gathers between two writes: the jobs that changed, and what waits until they are durable."""

import asyncio
from collections.abc import Callable, Container, Mapping, Sequence
from itertools import islice
from typing import TypeAlias, TypeVar

from msgspec import Struct

from jobmgrd.jobs.job import Job
from protocol.job_manager import SubmitReply

T = TypeVar("T")

Effect: TypeAlias = Callable[[Job], None]


class Gathered(Struct):
    """All of it by job: a part is taken without a look at the rest, however much has gathered."""

    dirty: dict[int, Job] = {}
    effects: dict[int, list[tuple[Job, Effect]]] = {}
    waiting: "dict[int, list[asyncio.Future[None]]]" = {}
    output: dict[int, list[bytes]] = {}
    input: dict[int, list[bytes]] = {}
    submits: "dict[int, asyncio.Future[SubmitReply]]" = {}

    def part(self, count: int) -> "Gathered":
        """Take out so many jobs, those that wait longest, and all that goes with them."""
        ids = list(islice(self.dirty, count))
        return Gathered(
            _moved(self.dirty, ids),
            _moved(self.effects, ids),
            _moved(self.waiting, ids),
            _moved(self.output, ids),
            _moved(self.input, ids),
            _moved(self.submits, ids),
        )

    def put_back(
        self,
        jobs: Container[int],
        effects: Mapping[int, Sequence[tuple[Job, Effect]]],
        waiting: "Mapping[int, Sequence[asyncio.Future[None]]]",
        output: Mapping[int, bytes],
        input: Mapping[int, bytes],
    ) -> None:
        """Take in again what goes with these jobs, before what has come since."""
        _insert(self.effects, effects, jobs)
        _insert(self.waiting, waiting, jobs)
        _insert(self.output, {id: [data] for id, data in output.items()}, jobs)
        _insert(self.input, {id: [data] for id, data in input.items()}, jobs)


def _insert(
    by_job: dict[int, list[T]], earlier: Mapping[int, Sequence[T]], jobs: Container[int]
) -> None:
    """Put pieces before those that there are."""
    for id, pieces in earlier.items():
        if id in jobs:
            by_job.setdefault(id, [])[:0] = pieces


def _moved(by_job: dict[int, T], ids: Sequence[int]) -> dict[int, T]:
    """Take out what there is of these jobs."""
    return {id: by_job.pop(id) for id in ids if id in by_job}
