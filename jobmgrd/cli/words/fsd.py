"""Durations on the command line: Flux Standard Duration (RFC 23)."""

import math
from typing import Final

import click

from protocol import duration
from protocol.errors import FormatError

_MILLISECOND: Final = 0.001


def brief(seconds: float) -> str:
    """A duration in four digits, for tables; what is below a millisecond is 0s."""
    return duration.format(float(f"{seconds:.4g}") if seconds >= _MILLISECOND else 0.0)


class DurationType(click.ParamType[float]):
    """A finite duration such as 500ms, 30s, 2.5m, 1h or 7d; a bare number is seconds."""

    name = "FSD"

    def convert(
        self,
        value: float | str,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        """The duration in seconds."""
        if not isinstance(value, str):
            return value
        try:
            seconds = duration.parse(value)
        except FormatError as error:
            self.fail(str(error), param, ctx)
        if not math.isfinite(seconds):
            self.fail(f"{value} is not finite", param, ctx)
        return seconds


FSD: Final = DurationType()
