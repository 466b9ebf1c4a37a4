"""Which nodes are drained, since when and why (flux-core resource/drain.c).

A drained node gets no new jobs; those that run there go on. Each function takes the drains there
are, rank -> Drain, and returns those there will be.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import Enum
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from protocol import idset
from protocol.errors import FormatError
from protocol.resource import DrainInfo


class Drain(Struct, frozen=True):
    """Why a node is drained (None: nobody said), and since when (UNIX time)."""

    t: float
    reason: str | None = None


Drains: TypeAlias = Mapping[int, Drain]


class Mode(Enum):
    """What is done with nodes that are already as asked."""

    STRICT = None  # refuse
    UPDATE = "update"  # give those a reason that have none
    OVERWRITE = "overwrite"  # replace the reason
    FORCE_OVERWRITE = "force-overwrite"  # replace reason and time


class StateError(ValueError):
    """Some of the nodes are already as asked, and the mode is strict."""


def drain(
    drains: Drains, ranks: Iterable[int], reason: str | None, t: float, mode: Mode = Mode.STRICT
) -> Drains:
    """Drain nodes.

    Raises:
        StateError: one is drained with a reason, and the mode does not say what becomes of it.
    """
    after = dict(drains)
    kept = []
    for rank in ranks:
        before = drains.get(rank)
        if before is not None and before.reason is not None and mode in _KEEP:
            kept.append(rank)
            continue
        since = t if before is None or mode is Mode.FORCE_OVERWRITE else before.t
        after[rank] = Drain(since, reason)
    if kept and mode is Mode.STRICT:
        raise StateError(f"{named(kept)} already drained")
    return after


def undrain(drains: Drains, ranks: Iterable[int], mode: Mode = Mode.STRICT) -> Drains:
    """Give nodes back to new jobs.

    Raises:
        StateError: one is not drained, and the mode is strict.
    """
    asked = set(ranks)
    if mode is Mode.STRICT and (missing := asked - drains.keys()):
        raise StateError(f"{named(missing)} not drained")
    return {rank: found for rank, found in drains.items() if rank not in asked}


def shown(drains: Drains) -> Mapping[str, DrainInfo]:
    """The drains as resource.status tells them: nodes with the same time and reason together."""
    groups: dict[DrainInfo, list[int]] = {}
    for rank, found in drains.items():
        info = DrainInfo(float(round(found.t)), found.reason or "")
        groups.setdefault(info, []).append(rank)
    return {idset.format(ranks): info for info, ranks in groups.items()}


class _Kept(Struct, frozen=True):
    rank: int
    host: str
    t: float
    reason: str | None


_DECODER: Final = msgspec.json.Decoder(list[_Kept])
_KEEP: Final = frozenset({Mode.STRICT, Mode.UPDATE})


def encode(drains: Drains, hosts: Mapping[int, str]) -> bytes:
    """The drains as they are kept, with the hosts: ranks may have moved when they are read."""
    kept = [_Kept(rank, hosts[rank], found.t, found.reason) for rank, found in drains.items()]
    return msgspec.json.encode(kept)


def decode(data: bytes, hosts: Mapping[int, str]) -> Drains:
    """The drains that were kept, of those hosts that there still are.

    Raises:
        FormatError: this is not what `encode` wrote.
    """
    try:
        kept: Sequence[_Kept] = _DECODER.decode(data) if data else ()
    except msgspec.DecodeError as error:
        raise FormatError(f"drained nodes: {error}") from error
    ranks = {host: rank for rank, host in hosts.items()}
    found = {}
    for item in kept:
        rank = item.rank if hosts.get(item.rank) == item.host else ranks.get(item.host)
        if rank is not None:
            found[rank] = Drain(item.t, item.reason)
    return found


def named(ranks: Collection[int]) -> str:
    """Ranks as errors speak of them."""
    return f"rank{'s' if len(ranks) > 1 else ''} {idset.format(ranks)}"
