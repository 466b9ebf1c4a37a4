"""Job states, results and flags: the numbers that Flux puts on the wire (RFC 21, RFC 43)."""

from enum import IntEnum, IntFlag
from typing import Final


class State(IntFlag):
    """A job's state; a bit each, so that a set of states is one number (flux-core job.h)."""

    NEW = 1
    DEPEND = 2
    PRIORITY = 4
    SCHED = 8
    RUN = 16
    CLEANUP = 32
    INACTIVE = 64

    PENDING = DEPEND | PRIORITY | SCHED
    RUNNING = RUN | CLEANUP
    ACTIVE = PENDING | RUNNING


class Result(IntEnum):
    """How a job ended (RFC 43); known once the job is inactive."""

    COMPLETED = 1
    FAILED = 2
    CANCELED = 4
    TIMEOUT = 8


class Flag(IntFlag):
    """Flags a job is submitted with (flux-core job.h)."""

    DEBUG = 2
    WAITABLE = 4
    NOVALIDATE = 8


URGENCY_MIN: Final = 0
URGENCY_HOLD: Final = 0
URGENCY_DEFAULT: Final = 16
URGENCY_MAX: Final = 31
URGENCY_EXPEDITE: Final = 31

PRIORITY_MIN: Final = 0
PRIORITY_MAX: Final = 4294967295
