"""A limit on log lines: an event that comes too often leaves some of its lines out, and says so.

Each event name has BURST lines in PERIOD seconds. The first line after a period that left some out
has `suppressed`, the number of those. So a client that sends nonsense all day costs neither the
disk that the log is on, nor the lines that matter; nothing that is rare is ever left out. Debug
lines are not limited: who asks for them wants all.
"""

import time
from collections.abc import Callable
from typing import Final

import structlog
from structlog.typing import EventDict, WrappedLogger

BURST: Final = 100
PERIOD: Final = 10.0
"""Lines of one event, and seconds."""

EVENTS_MAX: Final = 1000
"""Event names to remember: what a program has is far fewer."""


class LogLimit:
    """A structlog processor, for one thread at a time or under the interpreter's lock."""

    def __init__(
        self,
        burst: int = BURST,
        period: float = PERIOD,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._burst = burst
        self._period = period
        self._monotonic = monotonic
        self._seen: dict[str, list[float]] = {}  # event -> begin of its period, lines in it
        self.suppressed = 0
        """Lines that were left out, ever."""

    def process(self, _logger: WrappedLogger, method: str, line: EventDict) -> EventDict:
        """Let a line pass.

        Raises:
            structlog.DropEvent: or leave it out.
        """
        if method == "debug":
            return line
        now = self._monotonic()
        event = str(line.get("event"))
        seen = self._seen.get(event)
        if seen is None or now - seen[0] >= self._period:
            if len(self._seen) >= EVENTS_MAX:
                self._seen.clear()
            self._seen[event] = [now, 1]
            over = 0 if seen is None else int(seen[1]) - self._burst
            return {**line, "suppressed": over} if over > 0 else line
        seen[1] += 1
        if seen[1] > self._burst:
            self.suppressed += 1
            raise structlog.DropEvent
        return line


LIMIT: Final = LogLimit()
"""The limit of this process's log; it goes on over a reload."""
