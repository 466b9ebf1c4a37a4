"""heartbeat: a pulse for everything periodic, published as heartbeat.pulse (heartbeat.c)."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jobmgrd.call import Call, Empty
from jobmgrd.routes import Route
from protocol.events import HEARTBEAT


class Heartbeat:
    """Beats until it is cancelled; a change of period takes effect at once."""

    def __init__(self, publish: Callable[[str], object], period: float) -> None:
        self._publish = publish
        self._period = period
        self.count = 0
        self._changed = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [Route("heartbeat.stats-get", Empty, self.stats)]

    def stats(self, _call: Call, _request: Empty) -> Mapping[str, Any]:
        """The number of pulses, and the seconds between two."""
        return {"count": self.count, "period": self._period}

    def listen(self, listener: Callable[[], None]) -> None:
        """Have a function called at each pulse."""
        self._listeners.append(listener)

    def configure(self, period: float) -> None:
        """Set the seconds between two pulses."""
        if period != self._period:
            self._period = period
            self._changed.set()

    async def run(self) -> None:
        """Beat."""
        while True:
            try:
                async with asyncio.timeout(self._period):
                    await self._changed.wait()
                self._changed.clear()
            except TimeoutError:
                self._beat()

    def _beat(self) -> None:
        self.count += 1
        self._publish(HEARTBEAT)
        for listener in self._listeners:
            listener()
