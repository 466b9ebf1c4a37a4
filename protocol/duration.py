"""Flux Standard Duration (RFC 23): a number with an optional unit <-> seconds as float."""

import re
from math import inf, isinf
from typing import Final

from protocol.errors import FormatError

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LIMIT: Final = 64  # characters; nobody needs more, and a float of millions of digits is slow

# A number as C's strtod reads it, signs below zero left out. Hexadecimal digits come first and
# take what they can: the d of "0x1d" is a digit.
_FSD: Final = re.compile(
    r"\s*\+?"
    r"(?:(?P<hex>0x(?:[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(?:p[+-]?[0-9]+)?)"
    r"|(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)"
    r"|(?P<inf>inf(?:inity)?))"
    r"(?P<unit>(?-i:ms|s|m|h|d)?)",
    re.ASCII | re.IGNORECASE,
)


def parse(text: str) -> float:
    """Seconds of a duration; `inf` and `infinity`, which take no unit, are math.inf.

    Raises:
        FormatError: the text is no duration, "invalid FSD" and the text itself.
    """
    found = _FSD.fullmatch(text) if len(text) <= _LIMIT else None
    if found is None:
        raise _invalid(text)
    number, unit = _number(found), found["unit"]
    if unit and isinf(number):
        raise _invalid(text)
    return number * _UNITS[unit or "s"]


def format(seconds: float) -> str:
    """A duration for people, in the unit that suits it, with six digits: "1.5h", "infinity".

    The choice of unit is flux-core's (libutil/fsd.c). `parse` reads it back, rounded.

    Raises:
        FormatError: seconds are negative or NaN.
    """
    if not seconds >= 0:
        raise FormatError(f"invalid FSD: {seconds} seconds")
    if isinf(seconds):
        return "infinity"
    unit = _unit(seconds)
    number = seconds * 1000 if unit == "ms" else seconds / _UNITS[unit]
    return f"{number:.6g}{unit}"


def _number(found: re.Match[str]) -> float:
    if found["inf"]:
        return inf
    if found["number"]:
        return float(found["number"])
    try:
        return float.fromhex(found["hex"])
    except OverflowError:
        return inf  # as float() and strtod have it


def _unit(seconds: float) -> str:
    if 0 < seconds < 0.1:  # noqa: PLR2004 - where flux-core changes to milliseconds
        return "ms"
    if seconds < _UNITS["m"]:
        return "s"
    if seconds < _UNITS["h"]:
        return "m"
    return "h" if seconds < _UNITS["d"] else "d"


def _invalid(text: str) -> FormatError:
    return FormatError(f"invalid FSD {text[:_LIMIT]!r}")
