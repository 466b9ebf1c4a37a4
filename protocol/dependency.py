"""Dependencies as people write them, SCHEME:VALUE[?KEY=VALUE[&KEY=VALUE...]] (RFC 26)."""

import re
from typing import Any, Final
from urllib.parse import parse_qs

from protocol.errors import FormatError

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")


def from_uri(uri: str) -> dict[str, Any]:
    """An element of attributes.system.dependencies.

    A word without a colon is a scheme without a value ("singleton"). More keys are numbers where
    they look like some, and lists when they are given more than once, as in flux-core's
    bindings/python/flux/job/_utils.py.

    Raises:
        FormatError: it begins with no scheme.
    """
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
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
