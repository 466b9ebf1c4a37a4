"""Begin times (RFC 26): a heap of them, and one timer for the first."""

import asyncio
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Final

SLEEP_MAX: Final = 3600.0
"""Seconds after which the clock is looked at anyway: timers do not follow one that is set."""


class BeginTimes:
    """Calls `come` with a job and a description once the clock has reached their time."""

    def __init__(self, clock: Callable[[], float], come: Callable[[int, str], None]) -> None:
        self._clock = clock
        self._come = come
        self._heap: list[tuple[float, int, str]] = []
        self._ids: set[int] = set()  # of active jobs; entries of others surface or are swept
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, t: float, id: int, description: str) -> None:
        """Wait for a UNIX time."""
        self._ids.add(id)
        heappush(self._heap, (t, id, description))
        if self._heap[0][0] == t:
            self.look()

    def drop(self, id: int) -> None:
        """A job does not wait any more; nothing if it did not."""
        self._ids.discard(id)
        if len(self._heap) > 2 * len(self._ids) + 64:
            self._heap = [entry for entry in self._heap if entry[1] in self._ids]
            heapify(self._heap)

    def look(self) -> None:
        """See whose time has come; after the clock may have been set, too."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._heap and (left := self._heap[0][0] - self._clock()) <= 0:
            _, id, description = heappop(self._heap)
            if id in self._ids:
                self._come(id, description)
        if self._heap:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(min(left, SLEEP_MAX), self.look)
