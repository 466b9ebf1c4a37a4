"""Requests and replies of job-info (RFC 41)."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

LOOKUP_JSON_DECODE: Final = 1
"""Give jobspec and R as objects, not as text."""
LOOKUP_CURRENT: Final = 2
"""Apply the updates that were made of jobspec and R."""

WATCH_WAITCREATE: Final = 1
"""Wait for the eventlog to exist."""
WATCH_INITIAL_SENTINEL: Final = 2
"""Say with a response without payload that what there was has been sent (flux-core job.h)."""


class LookupRequest(Struct, frozen=True):
    """job-info.lookup: keys of the job's directory, with the flags above."""

    id: int
    keys: Sequence[str]
    flags: int = 0


class UpdateRequest(Struct, frozen=True):
    """job-info.update-lookup, update-watch: jobspec or R with its updates; no flags exist."""

    id: int
    key: str
    flags: int = 0


class WatchRequest(Struct, frozen=True):
    """job-info.eventlog-watch: an eventlog to follow."""

    id: int
    path: str = "eventlog"
    flags: int = 0


class WatchReply(Struct, frozen=True):
    """One eventlog entry, its newline included."""

    event: str
