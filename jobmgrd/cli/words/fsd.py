"""Durations on the command line: Flux Standard Duration (RFC 23)."""

import math
from typing import Final

from jobmgrd.cli.words.word import Word
from protocol import duration
from protocol.errors import FormatError

_MILLISECOND: Final = 0.001


def brief(seconds: float) -> str:
    """A duration in four digits, for tables; what is below a millisecond is 0s."""
    return duration.format(float(f"{seconds:.4g}") if seconds >= _MILLISECOND else 0.0)


class DurationType(Word[float]):
    """A finite duration such as 500ms, 30s, 2.5m, 1h or 7d; a bare number is seconds."""

    name = "FSD"

    def read(self, text: str) -> float:
        """The duration in seconds."""
        seconds = duration.parse(text)
        if not math.isfinite(seconds):
            raise FormatError(f"{text} is not finite")
        return seconds


FSD: Final = DurationType()
