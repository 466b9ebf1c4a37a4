"""Requests and replies about plugins (flux-core's jobtap.c)."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct


class JobtapRequest(Struct, frozen=True):
    """job-manager.jobtap: which plugins there are; loading and removing by request is refused."""

    load: str | None = None
    remove: str | None = None
    conf: Mapping[str, Any] | None = None
    query_only: bool | int = False


class JobtapReply(Struct, frozen=True):
    """The names of the plugins, in the order in which they are asked."""

    plugins: Sequence[str]


class QueryRequest(Struct, frozen=True):
    """job-manager.jobtap-query: one plugin."""

    name: str


class PluginStats(Struct, frozen=True):
    """What became of a plugin's hooks since it was loaded."""

    name: str
    disabled: bool
    calls: int
    errors: int  # raised, answered nonsense, took too long
    overruns: int  # took too long
    seconds: float  # in all
    last_error: str  # "" if there was none
