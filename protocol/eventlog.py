"""Eventlog entries (RFC 18): one JSON object a line, appended and never rewritten."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from protocol.errors import FormatError


class Entry(Struct, frozen=True, omit_defaults=True):
    """An event: UNIX time in seconds, its name, and what it has to say."""

    timestamp: Annotated[float, Meta(gt=0)]
    name: Annotated[str, Meta(min_length=1)]
    context: Mapping[str, Any] | None = None


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Entry).decode


def encode(entry: Entry) -> bytes:
    """The entry as a line, newline included."""
    return _encode(entry) + b"\n"


def entry_line(timestamp: float, name: str, context: Mapping[str, Any] | None = None) -> bytes:
    """The line of a new entry, newline included."""
    return _encode(Entry(timestamp, name, context)) + b"\n"


def decode_line(line: bytes) -> Entry:
    """Read one entry from its line, newline included.

    Raises:
        FormatError: it is not exactly one line, or its JSON is no entry.
    """
    entries = decode(line)
    if len(entries) != 1:
        raise FormatError(f"eventlog entry is {len(entries)} lines, not one")
    return entries[0]


def decode(data: bytes) -> list[Entry]:
    """Read a whole eventlog; an empty one has no entries.

    Raises:
        FormatError: a line is no entry or lacks its newline; the text names it, from 1.
    """
    *lines, rest = data.split(b"\n")
    entries = []
    for number, line in enumerate(lines, 1):
        try:
            entries.append(_decode(line))
        except (ValueError, RecursionError) as error:
            raise FormatError(f"eventlog line {number}: {error}") from error
    if rest:
        raise FormatError(f"eventlog line {len(lines) + 1}: newline is missing")
    return entries
