"""Requests and replies of job-info (RFC 41)."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

LOOKUP_JSON_DECODE: Final = 1
LOOKUP_CURRENT: Final = 2
WATCH_WAITCREATE: Final = 1


class LookupRequest(Struct, frozen=True):
    """job-info.lookup: keys of the job's directory, with the flags above."""

    id: int
    keys: Sequence[str]
    flags: int = 0


class WatchRequest(Struct, frozen=True):
    """job-info.eventlog-watch: an eventlog to follow."""

    id: int
    path: str = "eventlog"
    flags: int = 0


class WatchReply(Struct, frozen=True):
    """One eventlog entry, its newline included."""

    event: str
