"""Dependencies as people write them, SCHEME:VALUE[?KEY=VALUE[&KEY=VALUE...]] (RFC 26)."""

import re
from contextlib import suppress
from math import isfinite
from typing import Any, Final
from urllib.parse import parse_qs

from protocol.errors import FormatError

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_HALF: Final = re.compile("[\\ud800-\\udfff]")
"""Half of a surrogate pair: what Python makes of bytes that are not UTF-8."""
_INTEGERS: Final = range(-(2**63), 2**64)
_DIGITS_MAX: Final = 24


def from_uri(uri: str) -> dict[str, Any]:
    """An element of attributes.system.dependencies.

    A word without a colon is a scheme without a value ("singleton"). More keys are numbers where
    they look like some, and lists when they are given more than once, as in flux-core's
    bindings/python/flux/job/_utils.py.

    Raises:
        FormatError: it begins with no scheme, or is not UTF-8.
    """
    if _HALF.search(uri):
        raise FormatError(f"Invalid dependency URI {uri!r}: not UTF-8")
    scheme, _, rest = uri.partition(":")
    if not _SCHEME.fullmatch(scheme):
        raise FormatError(f'Invalid dependency URI "{uri}"')
    value, _, query = rest.partition("?")
    keys = {
        key: [_number(item) for item in items] if len(items) > 1 else _number(items[0])
        for key, items in parse_qs(query.replace(";", "&")).items()
    }
    return {**keys, "scheme": scheme, "value": value}


def _number(text: str) -> int | float | str:
    """The number that a text looks like, if a payload may hold it."""
    if len(text) > _DIGITS_MAX:
        return text
    with suppress(ValueError):
        number = int(text)
        return number if number in _INTEGERS else text
    with suppress(ValueError):
        real = float(text)
        return real if isfinite(real) else text
    return text
