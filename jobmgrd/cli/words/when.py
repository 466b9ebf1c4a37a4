"""Points in time on the command line: read as a time or as a distance from now, written as ISO."""

import time
from datetime import datetime
from typing import Final

from jobmgrd.cli.words.word import Word
from protocol import duration
from protocol.errors import FormatError

_NOW: Final = "now"
SPELLED: Final = "2026-11-22, 2026-11-22T18:00, 7d, 90m or now"
"""How a point in time may be written, for help and errors."""


class WhenType(Word[float]):
    """A point in time: 2026-11-22, 2026-11-22T18:00 (local unless it says), 7d from now, now.

    A duration points back, or, with `future`, ahead; a sign before it settles that: -7d, +7d.
    """

    name = "TIME"

    def __init__(self, *, future: bool = False) -> None:
        self._sign = 1 if future else -1

    def read(self, text: str) -> float:
        """UNIX time."""
        if text == _NOW:
            return time.time()
        sign = {"-": -1, "+": 1}.get(text[:1])
        try:
            distance = duration.parse(text if sign is None else text[1:])
            moment = time.time() + (sign or self._sign) * distance
            datetime.fromtimestamp(moment).astimezone()
        except FormatError:
            pass
        except (OverflowError, ValueError):
            raise FormatError(f"{text!r} is further away than dates reach") from None
        else:
            return moment
        try:
            return datetime.fromisoformat(text).timestamp()  # without a zone: local time
        except (OverflowError, ValueError):
            raise FormatError(f"{text!r} is neither a time nor a duration: {SPELLED}") from None


PAST: Final = WhenType()
FUTURE: Final = WhenType(future=True)


def iso(t: float, timespec: str = "seconds") -> str:
    """A UNIX time in local time, with its zone; "-" for 0.0, which stands for no time."""
    return datetime.fromtimestamp(t).astimezone().isoformat(timespec=timespec) if t else "-"
