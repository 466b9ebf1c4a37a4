"""Durations, sizes, counts and limits."""

import math
from typing import Final

from jobmgrd.config.kinds.values import Kind, integer, string, type_name
from jobmgrd.jobs.retention import UNLIMITED
from protocol import bytesize
from protocol import duration as fsd

INTEGER_MAX: Final = 2**63 - 1
"""TOML promises 64 bits; what is larger could not be told to a client either."""


def duration(*, positive: bool = False) -> Kind:
    """A finite Flux Standard Duration (RFC 23), read as seconds."""

    def read(value: object) -> float:
        seconds = fsd.parse(string(value))
        if math.isinf(seconds):
            raise ValueError("must be finite")
        if positive and not seconds:
            raise ValueError("must be > 0")
        return seconds

    return Kind('a duration such as "500ms", "30s" or "5m" (RFC 23)', read)


def duration_or_inf() -> Kind:
    """A Flux Standard Duration (RFC 23), read as seconds; "0" and "inf" are no duration at all."""
    return Kind('a duration such as "30m" or "8h", or "0" for none (RFC 23)', _read_timeout)


def size(*, low: int = 0) -> Kind:
    """A number of bytes: an integer, or a string with a binary unit (flux-core's parse_size.c)."""

    def read(value: object) -> int:
        if isinstance(value, str):
            value = bytesize.parse(value)
        return integer(value, low, INTEGER_MAX)

    return Kind('bytes as an integer, or a string such as "512k", "4M" or "1G"', read)


def count(*, low: int, high: int) -> Kind:
    """An integer within bounds."""
    return Kind(f"an integer from {low} to {high}", lambda value: integer(value, low, high))


def count_or_auto(*, low: int, high: int) -> Kind:
    """An integer within bounds, or "auto", read as None."""
    return Kind(
        f'an integer from {low} to {high}, or "auto"',
        lambda value: None if value == "auto" else integer(value, low, high),
    )


def _read_timeout(value: object) -> float:
    seconds = fsd.parse(string(value))
    return 0.0 if math.isinf(seconds) else seconds


def _read_seconds(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"Expected real, got {type_name(value)}")
    if not 0 < value < math.inf:
        raise ValueError("must be > 0 and finite")
    return float(value)


def _read_age_limit(value: object) -> float:
    seconds = fsd.parse(string(value))
    return UNLIMITED if math.isinf(seconds) else seconds


def _read_num_limit(value: object) -> int:
    return UNLIMITED if value == UNLIMITED else integer(value, 0, INTEGER_MAX)


TIMEOUT: Final = Kind('a duration such as "30s" or "5m", or "0" for none', _read_timeout)
SECONDS: Final = Kind("a number of seconds", _read_seconds)
AGE_LIMIT: Final = Kind('a duration such as "12h" or "7d", or "inf" for no limit', _read_age_limit)
NUM_LIMIT: Final = Kind("an integer, or -1 for no limit", _read_num_limit)
