"""Outcomes: how a job ended, as far as others depend on it, and the number that keeps it.

Beside the result that is the job's fate, bits that are set as the job goes on.
"""

import os
from typing import Final

from msgspec import Struct

from protocol.job import Result

RAN: Final = 1
"""It had resources."""

STARTED: Final = 2
"""Its tasks were started."""

EXCEPTED: Final = 4
"""It was a fatal exception, and not the end of its tasks, that led it to CLEANUP."""

_SIGNALED: Final = 128
"""A shell's exit code is this and the signal's number, if a signal ended its command."""


def shell_status(status: int) -> int:
    """The wait status of a shell whose command had this one."""
    if os.WIFSIGNALED(status):
        return (_SIGNALED + os.WTERMSIG(status)) << 8
    return os.WEXITSTATUS(status) << 8


class Outcome(Struct, frozen=True):
    """What is known of how a job ended; None is "not any more"."""

    result: Result
    ran: bool | None
    started: bool | None
    excepted: bool | None

    @classmethod
    def of(cls, result: Result, fate: int | None) -> "Outcome":
        """The outcome of a job that has ended.

        Of jobs that were purged before stores kept a fate only the result is left: those that
        completed or ran out of time have run, and those that failed as good as always; of a
        canceled one nobody knows.
        """
        if fate is not None:
            return cls(result, bool(fate & RAN), bool(fate & STARTED), bool(fate & EXCEPTED))
        ran = None if result is Result.CANCELED else True
        excepted = {Result.COMPLETED: False, Result.TIMEOUT: True}.get(result)
        return cls(result, ran, ran, excepted)
