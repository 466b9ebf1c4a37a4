"""What the contexts of events must say (RFC 21), for a job to be replayed by them.

The daemon's own events say it. A kept eventlog may have been damaged or edited since, and a value
of the wrong type, or one that no row can hold, would be met only later, by whoever works with it.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from protocol.errors import FormatError
from protocol.eventlog import Entry
from protocol.job import URGENCY_MAX, URGENCY_MIN

_Number = Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]
_Urgency = Annotated[int, Meta(ge=URGENCY_MIN, le=URGENCY_MAX)]


class _Submit(Struct):
    userid: _Number
    urgency: _Urgency
    flags: _Number


class _Urgent(Struct):
    urgency: _Urgency


class _Prioritized(Struct):
    priority: _Number


class _Flagged(Struct):
    flags: Sequence[str]


class _Dependent(Struct):
    description: str


class _Finished(Struct):
    status: _Number


class _Raised(Struct):
    type: str
    severity: Annotated[int, Meta(ge=0, le=7)]
    note: str = ""
    wait_status: Annotated[int, Meta(ge=0, le=0xFFFF)] = 0


_CONTEXTS: Final[Mapping[str, type[Struct]]] = {
    "submit": _Submit,
    "urgency": _Urgent,
    "priority": _Prioritized,
    "set-flags": _Flagged,
    "dependency-add": _Dependent,
    "dependency-remove": _Dependent,
    "finish": _Finished,
    "exception": _Raised,
}
"""Other events are replayed whatever they say, or check it themselves."""


def check(entry: Entry) -> None:
    """See that an event says what replaying it relies on.

    Raises:
        FormatError: it does not; the text names the event.
    """
    expected = _CONTEXTS.get(entry.name)
    if expected is not None:
        try:
            msgspec.convert(entry.context or {}, expected)
        except msgspec.ValidationError as error:
            raise FormatError(f"event {entry.name}: {error}") from None
