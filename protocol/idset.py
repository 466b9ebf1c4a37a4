"""Idsets (RFC 22): sets of small numbers, ranks or cores, as text like "0-3,5"."""

import re
from collections.abc import Iterable
from typing import Final

from protocol.errors import FormatError

MAX_ID: Final = 2**32 - 2
"""The largest id that libidset can hold."""

MAX_IDS: Final = 1 << 20
"""The most ids one text may name: "0-4294967294" is short and would fill the memory."""

_RANGE: Final = re.compile(r"(0|[1-9][0-9]{0,9})(?:-([1-9][0-9]{0,9}))?")


def parse(text: str) -> tuple[int, ...]:
    """The ids of an idset, ascending; brackets around it are optional, "" and "[]" are empty.

    Raises:
        FormatError: not an idset, ids out of order or repeated, or more than MAX_IDS of them.
    """
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not inner:
        return ()
    ids: list[int] = []
    for part in inner.split(","):
        low, high = _bounds(part, text)
        if ids and low <= ids[-1]:
            raise FormatError(f"{_name(text)}: {part!r} is out of order")
        if len(ids) + high - low >= MAX_IDS:
            raise FormatError(f"{_name(text)}: more than {MAX_IDS} ids")
        ids.extend(range(low, high + 1))
    return tuple(ids)


def format(ids: Iterable[int]) -> str:
    """The ids as text, in any order and repeated if need be; runs become ranges.

    Raises:
        FormatError: an id is negative or beyond MAX_ID.
    """
    ordered = sorted(set(ids))
    if ordered and not (ordered[0] >= 0 and ordered[-1] <= MAX_ID):
        raise FormatError(f"idset has an id outside 0-{MAX_ID}")
    parts = []
    start = 0
    for end, id in enumerate(ordered, 1):
        if end == len(ordered) or ordered[end] != id + 1:
            first = ordered[start]
            parts.append(str(id) if first == id else f"{first}-{id}")
            start = end
    return ",".join(parts)


def _bounds(part: str, text: str) -> tuple[int, int]:
    found = _RANGE.fullmatch(part)
    if found is None:
        raise FormatError(f"{_name(text)}: {part[:32]!r} is no id and no range")
    low = int(found[1])
    high = int(found[2]) if found[2] else low
    if high > MAX_ID:
        raise FormatError(f"{_name(text)}: {high} is beyond {MAX_ID}")
    if found[2] and high <= low:
        raise FormatError(f"{_name(text)}: range {part!r} does not ascend")
    return low, high


def _name(text: str) -> str:
    return f"invalid idset {text[:32]!r}"
