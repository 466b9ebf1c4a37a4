"""Durations counted by size, in buckets that are fixed beforehand: what is slow, and how often."""

from bisect import bisect_left
from typing import Final

BOUNDS: Final = (
    *(0.000_1, 0.000_25, 0.000_5),
    *(0.001, 0.002_5, 0.005),
    *(0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0),
)
"""Upper bounds in seconds, both of a quick RPC and of a disk that is stuck."""


class Histogram:
    """One thread observes; others may read numbers that are a moment old."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)  # each bucket alone; the last is beyond all bounds
        self.seconds = 0.0  # all together

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds
