"""How often each topic is asked, and how long its answers take.

The router counts with one call a request and one an answer, into numbers that are there before;
without `[metrics] bind` it does not count at all.
"""

from collections.abc import Iterable, Mapping
from time import perf_counter
from typing import Final

from jobmgrd.call import Call
from jobmgrd.histogram import Histogram

UNKNOWN: Final = "unknown"
"""Stands for every topic that is not served, so that what clients make up is one row."""


class Meter:
    """The numbers of one topic. A stream counts as a request; its length is no latency."""

    __slots__ = ("errors", "latency", "requests")

    def __init__(self) -> None:
        self.requests = 0
        self.errors = 0
        self.latency = Histogram()

    def answered(self, began: float, errnum: int) -> None:
        """See jobmgrd.call.Meter."""
        self.latency.observe(perf_counter() - began)
        if errnum:
            self.errors += 1


class RpcMeters:
    """A meter a topic."""

    def __init__(self, topics: Iterable[str]) -> None:
        self._unknown = Meter()
        self._meters = {topic: Meter() for topic in topics}

    def begin(self, call: Call, *, streaming: bool) -> None:
        """Count a request, and have its answer counted."""
        meter = self._meters.get(call.topic, self._unknown)
        meter.requests += 1
        if not streaming:
            call.meter = meter
            call.began = perf_counter()

    def asked(self) -> Mapping[str, Meter]:
        """The meters of the topics that were ever asked."""
        meters = {**self._meters, UNKNOWN: self._unknown}
        return {topic: meter for topic, meter in meters.items() if meter.requests}
