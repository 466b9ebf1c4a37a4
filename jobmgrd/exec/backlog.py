"""Events that a daemon has yet to acknowledge, in order, as they were encoded."""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple


class _Entry(NamedTuple):
    event: bytes
    ended: int | None  # the attempt that ends with it


class Backlog:
    """A queue of events with consecutive numbers, the first one 1.

    Attributes:
        acknowledged: the number of the last event that was acknowledged, 0 before the first.
        size: bytes of the events that were not.
    """

    def __init__(self) -> None:
        self._entries: deque[_Entry] = deque()
        self._ended: dict[int, None] = {}  # an ordered set
        self.acknowledged = 0
        self.size = 0

    @property
    def ended(self) -> tuple[int, ...]:
        """The attempts whose end was not acknowledged, in the order of their ends."""
        return tuple(self._ended)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[bytes]:
        return (entry.event for entry in self._entries)

    def add(self, event: bytes, ended: int | None = None) -> None:
        """Append an event, which may be the end of an attempt."""
        self._entries.append(_Entry(event, ended))
        self.size += len(event)
        if ended is not None:
            self._ended[ended] = None

    def acknowledge(self, number: int) -> None:
        """Forget the events up to this number."""
        while self._entries and self.acknowledged < number:
            event, ended = self._entries.popleft()
            self.acknowledged += 1
            self.size -= len(event)
            if ended is not None:
                del self._ended[ended]
