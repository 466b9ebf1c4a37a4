"""Counts the peers over tcp that are not let in, and logs a few of them at a time."""

from collections.abc import Callable
from typing import Final

import structlog

from jobmgrd.limits import Guard

log = structlog.get_logger()

LOGGED_MAX: Final = 10
"""Refusals of a kind that are logged in WINDOW seconds; the others are counted."""
WINDOW: Final = 60.0


class Refusals:
    """Those of one kind: a flood of one leaves the log to the other."""

    def __init__(self, kind: str, guard: Guard, monotonic: Callable[[], float]) -> None:
        self._kind = kind
        self._guard = guard
        self._monotonic = monotonic
        self._since = -WINDOW
        self._logged = self._silent = 0

    def note(self, socket: str, address: str, **about: str) -> None:
        """Take in that a peer was refused at the socket for RPCs, or the one for events."""
        self._guard.refused[self._kind] += 1
        now = self._monotonic()
        if now - self._since >= WINDOW:
            if self._silent:
                log.warning("curve.refused-more", kind=self._kind, peers=self._silent)
            self._since, self._logged, self._silent = now, 0, 0
        if self._logged < LOGGED_MAX:
            self._logged += 1
            log.warning("curve.refused", socket=socket, address=address, **about)
        else:
            self._silent += 1
