"""The daemon's wall clock: it does not follow a jump, so that no job is purged for one.

Ages are differences of UNIX times, and a clock that is set a year ahead makes every job a year
older. So time is told from the kernel's clock since boot, which nobody sets, and follows the wall
clock only as far as that drifts. A jump is logged, reported in stats, and taken over when somebody
says that it is right: by a reload (SIGHUP, config.reload) or a restart.
"""

import time
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger()

JUMP: Final = 60.0
"""Seconds between two looks that are no drift, but a jump."""


def since_boot() -> float:
    """Seconds since the machine was booted, time asleep included (clock_gettime(2))."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Clock:
    """Calling it gives UNIX time in seconds."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        boot: Callable[[], float] = since_boot,
    ) -> None:
        self._wall = wall
        self._boot = boot
        self._offset = wall() - boot()
        self.jump = 0.0
        """Seconds by which the wall clock is ahead since it jumped; 0.0 if it did not."""

    def __call__(self) -> float:
        """UNIX time, in seconds."""
        boot = self._boot()
        drift = self._wall() - boot - self._offset
        if abs(drift) < JUMP:
            self._offset += drift
            if self.jump:
                log.info("clock.agrees-again", jumped=self.jump)
                self.jump = 0.0
        elif abs(drift - self.jump) > JUMP:
            self.jump = drift
            log.error("clock.jumped", seconds=drift, followed=False)
        return boot + self._offset

    def accept(self) -> None:
        """Take the wall clock as it is now for right."""
        self._offset = self._wall() - self._boot()
        self.jump = 0.0
