"""Requests and replies of resource: one struct each, fields named as on the wire.

R (RFC 20) is an object here; protocol.resource_set reads and writes it as JSON.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class DrainRequest(Struct, frozen=True):
    """resource.drain, undrain: ranks (RFC 22) or hosts (RFC 29), why, and what of those already so.

    `mode` is one of "update", "overwrite" and "force-overwrite" (resource/drain.c).
    """

    targets: str
    reason: str | None = None
    mode: str | None = None


class DrainInfo(Struct, frozen=True):
    """Since when nodes are drained (UNIX time, whole seconds), and why; "" if nobody said."""

    timestamp: float
    reason: str


class StatusReply(Struct, frozen=True):
    """resource.status: all nodes, and idsets of those in each state."""

    R: Mapping[str, Any]
    drain: Mapping[str, DrainInfo]  # by idset
    online: str
    offline: str
    exclude: str
    torpid: str


class SchedStatusReply(Struct, frozen=True):
    """resource.sched-status: all nodes, those that new jobs cannot use, and what jobs hold."""

    all: Mapping[str, Any]
    down: Mapping[str, Any]
    allocated: Mapping[str, Any]
