"""Cores and GPUs of nodes as sets, to subtract what jobs hold from what there is."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from protocol import hostlist, resource_set

Parts = frozenset[tuple[str, int]]
"""Of one node: ("core", 3), ("gpu", 0), ..."""


class Held(NamedTuple):
    """Parts of nodes by rank, and what is known of the nodes."""

    parts: Mapping[int, Parts]
    hosts: Mapping[int, str]
    properties: Mapping[int, frozenset[str]]

    def without(self, other: "Held") -> "Held":
        """What of it is not in another; a node of which nothing is left goes."""
        left = {rank: parts - other.parts.get(rank, frozenset()) for rank, parts in self._items()}
        return self._replace(parts={rank: parts for rank, parts in left.items() if parts})

    def only(self, ranks: Iterable[int]) -> "Held":
        """What of it these nodes have."""
        wanted = frozenset(ranks)
        return self._replace(parts={rank: p for rank, p in self._items() if rank in wanted})

    def count(self, kind: str) -> int:
        """How many cores ("core") or GPUs ("gpu")."""
        return sum(1 for parts in self.parts.values() for part, _ in parts if part == kind)

    @property
    def nodelist(self) -> str:
        """The nodes, as a hostlist."""
        return hostlist.format(self.hosts[rank] for rank in sorted(self.parts))

    def _items(self) -> Iterable[tuple[int, Parts]]:
        return self.parts.items()


def held(R: Mapping[str, Any]) -> Held:
    """What an R of a reply says."""
    found = resource_set.parse(json.dumps(R).encode())
    parts = {
        rank.rank: frozenset(
            [("core", id) for id in rank.cores] + [("gpu", id) for id in rank.gpus]
        )
        for rank in found.ranks
    }
    hosts = {rank.rank: rank.host for rank in found.ranks}
    properties = {
        rank: frozenset(name for name, ranks in found.properties.items() if rank in ranks)
        for rank in hosts
    }
    return Held(parts, hosts, properties)
