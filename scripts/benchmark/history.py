"""Histories: stores that hold a number of inactive jobs, written at once while no daemon runs.

The rows are those of a job that really ran, with other ids and times: a job ended each
millisecond, and their ids are FLUIDs of such a pace. In "id" order jobs ended in the order of
their ids, as short jobs do; in "random" order the ids are shuffled, as if jobs took very
different times. In "mixed" ones every tenth job is another user's, every tenth in a queue, and
every hundredth failed.
"""

import asyncio
import os
import random
import shutil
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, TypeAlias

from msgspec.structs import replace

from jobmgrd.store.port import Changes, InactiveRow
from jobmgrd.store.sqlite import SqliteStore
from protocol.job import Result
from scripts.benchmark.daemon import Daemon
from scripts.benchmark.errors import MeasurementError, SkipError
from scripts.benchmark.jobs import simulated

Order: TypeAlias = Literal["id", "random", "mixed"]

FILE: Final = "jobs.sqlite"
_ROWS_A_WRITE: Final = 1000
_WRITES_AT_ONCE: Final = 4
_FLUID_SHIFT: Final = 24
_SEED: Final = 20
USERID: Final = 4242
QUEUE: Final = "batch"
RARE: Final = int(Result.FAILED)
"""What a tenth, a tenth and a hundredth of the jobs of a mixed history have."""
_ROOM: Final = 3
"""Times its size that a history needs on disk: itself, a copy, the copy's log and index."""


class Histories:
    """Histories by size and order, each written once; measurements get copies of them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._row: InactiveRow | None = None

    @property
    def row(self) -> InactiveRow:
        """A job that really ran, as it is kept."""
        if self._row is None:
            self._row = _run_one(self._directory / "one")
        return self._row

    def copy(self, jobs: int, order: Order, target: Path) -> None:
        """Make the state directory `target` with that many inactive jobs, durable on disk.

        Raises:
            SkipError: there is no room for it.
        """
        target.mkdir(mode=0o700)
        if not jobs:
            return
        source = self._directory / f"{jobs}-{order}"
        if not source.exists():
            self._make(jobs, order, source)
        copied = shutil.copyfile(source / FILE, target / FILE)
        descriptor = os.open(copied, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # or the daemon's first commits would wait for this copy
        finally:
            os.close(descriptor)

    def _make(self, jobs: int, order: Order, directory: Path) -> None:
        row = self.row
        size = jobs * (len(row.jobspec) + len(row.R or b"") + len(row.eventlog) + 300)
        if shutil.disk_usage(self._directory).free < _ROOM * size:
            raise SkipError(f"{_ROOM * size >> 20} MiB of disk are needed for {jobs:,} jobs")
        unfinished = directory.with_name(directory.name + ".new")
        asyncio.run(write(unfinished / FILE, row, jobs, order))
        unfinished.rename(directory)


async def write(path: Path, row: InactiveRow, jobs: int, order: Order) -> None:
    """Write a store with copies of a job."""
    store = SqliteStore(path, durability="os")
    await store.open()
    try:
        writes: deque[asyncio.Future[None]] = deque()
        for rows in _rows(row, jobs, order):
            if len(writes) == _WRITES_AT_ONCE:
                await writes.popleft()
            writes.append(store.write(Changes(ended=rows)))
        await asyncio.gather(*writes)
    finally:
        await store.close()


def _rows(row: InactiveRow, jobs: int, order: Order) -> Iterator[list[InactiveRow]]:
    """All jobs in their order of ending, some at a time."""
    begin = time.time() - jobs / 1000
    numbers = list(range(1, jobs + 1))
    kind = _mixed if order == "mixed" else _same
    if order == "random":
        random.Random(_SEED).shuffle(numbers)  # noqa: S311 - not a secret
    for first in range(0, jobs, _ROWS_A_WRITE):
        yield [
            _job(kind(row, n), number << _FLUID_SHIFT, begin + n / 1000)
            for n, number in enumerate(numbers[first : first + _ROWS_A_WRITE], first)
        ]


def _same(row: InactiveRow, _n: int) -> InactiveRow:
    return row


def _mixed(row: InactiveRow, n: int) -> InactiveRow:
    """The row as one of others' jobs; which, goes by its number."""
    return replace(
        row,
        userid=USERID if n % 10 == 1 else row.userid,
        queue=QUEUE if n % 10 == 3 else row.queue,  # noqa: PLR2004 - not the same ones
        result=RARE if n % 100 == 5 else row.result,  # noqa: PLR2004 - the same
    )


def _job(row: InactiveRow, id: int, t_clean: float) -> InactiveRow:
    later = t_clean - row.t_clean
    return replace(
        row,
        id=id,
        t_submit=row.t_submit + later,
        t_run=row.t_run + later,
        t_cleanup=row.t_cleanup + later,
        t_clean=t_clean,
    )


def _run_one(state: Path) -> InactiveRow:
    state.mkdir(mode=0o700)
    with Daemon(state) as daemon, daemon.client() as client:
        id = client.rpc("job-ingest.submit", {"jobspec": simulated()})["id"]
        for _ in client.stream("job-info.eventlog-watch", {"id": id}):
            pass  # it ends with the job
    row = asyncio.run(_find(state / FILE, id))
    if not isinstance(row, InactiveRow):
        raise MeasurementError("a job that ended is not in the store")
    return row


async def _find(path: Path, id: int) -> object:
    store = SqliteStore(path)
    await store.open()
    try:
        return await store.find(id)
    finally:
        await store.close()
