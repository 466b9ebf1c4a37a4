"""Readings and figures: what one repetition measured, and what all of them say together."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec import Struct

MORE_IS_BETTER: Final[Mapping[str, bool]] = {
    "job/s": True,
    "rpc/s": True,
    "event/s": True,
    "MiB/s": True,
    "us": False,
    "ms": False,
    "s": False,
    "MiB": False,
    "B/job": False,
}
"""The units of all figures, and their good direction."""


class Reading(NamedTuple):
    """What one repetition measured; `limit` names the reading that it stands beside."""

    name: str
    value: float
    unit: str
    limit: str = ""


class Figure(Struct, frozen=True):
    """The readings of one name, in the order in which they were taken; there is at least one."""

    part: str
    name: str
    unit: str
    samples: tuple[float, ...]
    limit: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What the figure is called in every run."""
        return self.part, self.name

    @property
    def median(self) -> float:
        """The middle of the samples."""
        return statistics.median(self.samples)

    @property
    def low(self) -> float:
        """The smallest sample."""
        return min(self.samples)

    @property
    def high(self) -> float:
        """The largest sample."""
        return max(self.samples)

    @property
    def spread(self) -> float:
        """From the smallest to the largest sample."""
        return self.high - self.low

    @property
    def more_is_better(self) -> bool:
        """Whether a larger number is a better one."""
        return MORE_IS_BETTER[self.unit]


def gather(part: str, readings: Iterable[Reading]) -> list[Figure]:
    """The figures that these readings make, in the order of their first readings."""
    by_name: dict[str, list[Reading]] = {}
    for reading in readings:
        by_name.setdefault(reading.name, []).append(reading)
    return [
        Figure(part, name, group[0].unit, tuple(r.value for r in group), group[0].limit)
        for name, group in by_name.items()
    ]


def limit_of(figure: Figure, figures: Iterable[Figure]) -> Figure | None:
    """The figure that one stands beside, if it was measured."""
    return next((f for f in figures if figure.limit and f.key == (figure.part, figure.limit)), None)


def percentile(samples: Sequence[float], percent: float) -> float:
    """The smallest sample that is not exceeded by `percent` of all (nearest rank).

    Raises:
        ValueError: there are no samples.
    """
    if not samples:
        raise ValueError("no samples")
    rank = math.ceil(len(samples) * percent / 100)
    return sorted(samples)[max(rank, 1) - 1]
