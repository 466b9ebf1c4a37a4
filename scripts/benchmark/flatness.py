"""Whether something stayed flat: the last third of a long run beside its first third.

A quantity is flat if the median of the last third of its samples is not above the median of the
first third by more than its tolerance. Only growth counts. Medians of thirds see what grows
steadily, however slowly, and pass over what a busy machine does to a few samples. The tolerances
are what such medians differ by in runs of a daemon known to be flat, on a machine that does other
things, too.
"""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Final

from msgspec import Struct

from jobmgrd.store.tombstones import PURGE_LOG_KEPT

SAMPLES_MIN: Final = 9
"""Three in each third, or a median is an accident."""

_MIB: Final = 2**20
_LOG_BYTES_A_JOB: Final = 10
_LOG_BYTES_A_PURGE: Final = 64


class Sample(Struct, frozen=True):
    """What was seen at one time of a run; latencies are those since the sample before."""

    seconds: float  # since the first sample
    submitted: int  # jobs, since the load began
    inactive: int
    tombstones: int
    purged: int  # jobs, ever
    purges: int  # batches, ever
    resident: float  # MiB
    p50: float  # ms, of stats-get
    p99: float
    file: float  # MiB, of the jobs' file
    wal: float  # MiB, of its write-ahead log

    @property
    def purge_log(self) -> float:
        """MiB that the purge log may take, 8 bytes a job and pages not full.

        It grows on purpose, until it holds PURGE_LOG_KEPT batches, in the file and in SQLite's
        page cache: with a cache of 1 MiB instead of 64, 6000 batches left memory as it was, and
        with this one it grew by their 6 MiB.
        """
        kept = min(1.0, PURGE_LOG_KEPT / self.purges) if self.purges else 0.0
        log = kept * (self.purged * _LOG_BYTES_A_JOB + self.purges * _LOG_BYTES_A_PURGE)
        return log / _MIB


class Quantity(Struct, frozen=True):
    """Something that is to stay flat, and by how much its thirds may differ: both are added."""

    name: str
    unit: str
    of: Callable[[Sample], float]
    share: float  # of the first third's median
    slack: float  # in its unit


QUANTITIES: Final[Sequence[Quantity]] = (
    Quantity("memory without purge log", "MiB", lambda s: s.resident - s.purge_log, 0.02, 1.0),
    Quantity("stats-get p50", "ms", lambda sample: sample.p50, 0.25, 0.1),
    Quantity("stats-get p99", "ms", lambda sample: sample.p99, 0.5, 1.0),
    Quantity("file without purge log", "MiB", lambda s: s.file - s.purge_log, 0.05, 0.25),
    Quantity("write-ahead log", "MiB", lambda sample: sample.wal, 0.05, 0.25),
)


class Verdict(Struct, frozen=True):
    """The medians of a quantity's first and last third, and what the last one may be."""

    name: str
    unit: str
    first: float
    last: float
    allowed: float

    @property
    def flat(self) -> bool:
        """Whether it did not grow."""
        return self.last <= self.allowed


def judge(samples: Sequence[Sample]) -> list[Verdict]:
    """A verdict for each quantity.

    Raises:
        ValueError: there are fewer than SAMPLES_MIN samples.
    """
    if len(samples) < SAMPLES_MIN:
        raise ValueError(f"{len(samples)} samples say nothing, {SAMPLES_MIN} are needed")
    third = len(samples) // 3
    return [_verdict(quantity, samples[:third], samples[-third:]) for quantity in QUANTITIES]


def _verdict(quantity: Quantity, begin: Sequence[Sample], end: Sequence[Sample]) -> Verdict:
    first, last = (median(map(quantity.of, samples)) for samples in (begin, end))
    allowed = first * (1 + quantity.share) + quantity.slack
    return Verdict(quantity.name, quantity.unit, first, last, allowed)
