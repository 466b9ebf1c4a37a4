"""Requests and replies of job-list (RFC 43)."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from protocol.job import State


class ListRequest(Struct, frozen=True):
    """job-list.list: at most `max_entries` (0: all) jobs in these states (protocol.job.State)."""

    max_entries: int = 1000
    attrs: Sequence[str] = ()
    states: int = int(State.ACTIVE | State.INACTIVE)


class ListReply(Struct, frozen=True):
    """A map of the attributes asked for, for each job."""

    jobs: Sequence[Mapping[str, Any]]


class AttrsReply(Struct, frozen=True):
    """job-list.list-attrs: the names of all attributes."""

    attrs: Sequence[str]
