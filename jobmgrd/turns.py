"""Whose turn it is, so that who asks much does not slow down who asks one thing at a time.

Theory: anticipation. A client that waits for each answer before it asks again has nothing waiting
most of the time. However fairly requests are taken in turn, one that always has something waiting
gets all the time between, and on a small machine, where it never sleeps, the processors as well.
So, as disk schedulers do (Iyer and Druschel, Anticipatory scheduling, SOSP 2001), while a client is
quick, the daemon goes slow with what others have piled up: they get SHARE of the time, and what
they send stays unread, which makes them sleep, too. Nobody waits while nobody is quick: a client
that asks now and then is not, and two that pile up are served in turn.
"""

from collections.abc import Hashable
from time import monotonic
from typing import Final

QUICK: Final = 0.002
"""Seconds in which a quick client asks again; a round trip takes a tenth of it."""
TIMES: Final = 4
"""So many times in a row, which no command does that asks for a few things and ends."""
HOLD: Final = 0.02
"""Seconds for which it counts as quick: it may not be given a processor for some."""
TICK: Final = 0.001
"""Seconds after which those who wait are looked at again."""
SHARE: Final = 0.2
"""The part of the time that they get meanwhile."""
DEBT_MAX: Final = 0.05
"""Seconds that several of them make the next one wait, at most, if each is shorter."""
PEERS_MAX: Final = 4096
"""So many clients are remembered; then all are seen as for the first time."""

_NEVER: Final = (0.0, 0)


class Turns:
    """Knows which client is quick, and how much of the time the others have had."""

    def __init__(self) -> None:
        self._seen: dict[Hashable, tuple[float, int]] = {}
        self._quick: Hashable = None
        self._until = 0.0
        self._free = 0.0

    def came(self, peer: Hashable, now: float) -> None:
        """A client asked that had nothing else waiting."""
        last, times = self._seen.get(peer, _NEVER)
        if now - last > QUICK:
            times = 0
            if len(self._seen) >= PEERS_MAX:
                self._seen.clear()
        elif times >= TIMES:
            self._quick = peer
            self._until = now + HOLD
        self._seen[peer] = now, times + 1

    def slow(self, now: float) -> bool:
        """Whether clients that pile up requests have to wait for one that is quick."""
        return now < self._until

    def hurried(self) -> bool:
        """The same, now."""
        return self.slow(monotonic())

    def waits(self, peer: Hashable, now: float) -> bool:
        """Whether this one has to: it has piled up requests, and is not the quick one itself."""
        return now < self._until and peer != self._quick

    def may(self, now: float) -> bool:
        """Whether the time that they have had allows them another request."""
        return now >= self._free

    def delay(self, now: float) -> float:
        """Seconds until the next piece of long work may be made."""
        return max(min(self._free, self._until) - now, 0.0)

    def took(self, began: float) -> float:
        """Such a request was handled from `began` on; the time that it is."""
        now = monotonic()
        if self.slow(now):
            wait = (now - began) * (1 / SHARE - 1)
            self._free = min(max(self._free, now) + wait, now + max(wait, DEBT_MAX))
        return now
