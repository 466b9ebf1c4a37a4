"""One run of the suite: how much is measured, where it writes, how long a part may take."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from scripts.benchmark.errors import SkipError
from scripts.benchmark.figures import Reading
from scripts.benchmark.history import Histories, Order
from scripts.benchmark.jobs import BATCH, QUICK_BATCH
from scripts.benchmark.machine import filesystem

_IN_MEMORY: Final = ("tmpfs", "ramfs")


class Run:
    """What every case is given."""

    def __init__(self, directory: Path, *, quick: bool) -> None:
        self.quick = quick
        self.batch = QUICK_BATCH if quick else BATCH
        self.histories = Histories(directory)
        self._directory = directory
        self._count = 0

    @contextmanager
    def state(self, jobs: int = 0, order: Order = "id") -> Iterator[Path]:
        """A state directory of one measurement, with that many inactive jobs."""
        self._count += 1
        path = self._directory / f"state-{self._count}"
        try:
            self.histories.copy(jobs, order, path)
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def sockets(self) -> Iterator[str]:
        """An ipc endpoint for a bare process; on a short path."""
        with tempfile.TemporaryDirectory(prefix="jmb-") as directory:
            yield f"ipc://{directory}/bare"


class Case(Struct, frozen=True):
    """One thing to measure: `measure` is one repetition.

    `slow` cases are repeated three times in a full run, the others five times.
    """

    name: str
    measure: Callable[[Run], Sequence[Reading]]
    slow: bool = False

    def repeats(self, *, quick: bool) -> int:
        """How many repetitions make a figure; at least three, or there is no spread."""
        return 3 if quick or self.slow else 5


class Part(Struct, frozen=True):
    """A part of the suite, selectable by name; its bounds are seconds."""

    name: str
    about: str
    cases: Callable[[Run], Sequence[Case]]
    bound: float
    quick_bound: float

    def seconds(self, *, quick: bool) -> float:
        """How long the part may take; no repetition begins later."""
        return self.quick_bound if quick else self.bound


@contextmanager
def workplace(parent: Path | None = None) -> Iterator[Path]:
    """A directory on a real disk that is removed afterwards: a commit to memory costs nothing.

    Raises:
        SkipError: `parent`, or every usual place, is in memory.
    """
    places = [parent] if parent else [Path(tempfile.gettempdir()), Path("/var/tmp"), Path.cwd()]  # noqa: S108
    for place in places:
        if place.is_dir() and filesystem(place) not in _IN_MEMORY:
            with tempfile.TemporaryDirectory(prefix="jobmgrd-bench-", dir=place) as directory:
                yield Path(directory)
            return
    raise SkipError(f"{', '.join(map(str, places))}: no directory on a disk; say --directory DIR")


def until(condition: Callable[[], bool], seconds: float, *, pause: float = 0.05) -> float:
    """Wait for a condition of another process, within a bound; the seconds that it took."""
    start = time.monotonic()
    while not condition() and time.monotonic() - start < seconds:
        time.sleep(pause)
    return time.monotonic() - start
