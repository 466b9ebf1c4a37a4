"""Requests and replies of job-list (RFC 43)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import UNSET, Raw, Struct, UnsetType

from protocol.constraint import USERID_UNKNOWN

ALL: Final = "all"
"""Among `attrs`, all attributes."""

VERSION: Final = 1
"""Of the protocol of streams; in the first page only."""


class ListRequest(Struct, frozen=True):
    """job-list.list: at most `max_entries` (0: all) jobs that match.

    `states`, `results`, `userid`, `name` and `queue` are the protocol before constraints; they
    count if there is no constraint. As numbers, 0 is any of them, and so is USERID_UNKNOWN or -1.
    """

    max_entries: int = 1000
    attrs: Sequence[str] = ()
    states: int = 0
    since: float = 0.0  # ended jobs are left out unless they ended after this (UNIX time)
    constraint: Any = UNSET  # protocol.constraint
    results: int = 0
    userid: int = USERID_UNKNOWN
    name: str | UnsetType = UNSET
    queue: str | UnsetType = UNSET


class ListReply(Struct, frozen=True):
    """A map of the attributes asked for, for each job; a stream has many of these."""

    jobs: Sequence[Mapping[str, Any]]
    version: int | UnsetType = UNSET


class Page(Struct, frozen=True):
    """A ListReply as it is written: each job is encoded already."""

    jobs: Sequence[Raw]
    version: int | UnsetType = UNSET


class IdRequest(Struct, frozen=True):
    """job-list.list-id: a job, once it has been in one of these states (0: at once) or ended."""

    id: int
    attrs: Sequence[str] = ()
    state: int = 0


class IdReply(Struct, frozen=True):
    """A map of the attributes asked for."""

    job: Mapping[str, Any]


class AttrsReply(Struct, frozen=True):
    """job-list.list-attrs: the names of all attributes."""

    attrs: Sequence[str]


class JobStats(Struct, frozen=True):
    """Jobs by state, and ended ones by result; the jobs that were purged count in the last two."""

    job_states: Mapping[str, int]  # depend, priority, sched, run, cleanup, inactive, total
    successful: int
    failed: int
    canceled: int
    timeout: int
    inactive_purged: int
    totals: Mapping[str, int]  # completed, failed, canceled, timeout: ever ended so


class QueueStats(JobStats, frozen=True, kw_only=True):
    """The same for one queue."""

    name: str


class StatsReply(JobStats, frozen=True, kw_only=True):
    """job-list.job-stats."""

    queues: Sequence[QueueStats]
