"""A simple scheduler: counts cores and GPUs of nodes, places task slots first fit."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

import msgspec
from msgspec import Struct

from jobmgrd.jobs.constraints import Matches, compiled
from jobmgrd.jobs.nodes import Node, NodeConfig, properties_of, share, slots
from jobmgrd.jobs.room import Room
from protocol.errors import FormatError
from protocol.jobspec import Jobspec
from protocol.resource_set import Rank, ResourceSet

CONSTRAINTS_MAX: Final = 256
"""Constraints whose nodes are remembered; the next one clears them."""
_NONE: Final[frozenset[int]] = frozenset()
_by_rank: Final = attrgetter("rank")
CONSTRAINT_SIZE_MAX: Final = 1 << 18
"""Bytes of a constraint, as JSON."""
SHOWN_MAX: Final = 200
"""Characters of a constraint that an error shows."""


class Scheduler:
    """All nodes, and where the slots of a job go.

    Args:
        nodes: what each has.
        excluded: the ranks of those that no job is ever given.
    """

    def __init__(self, nodes: Sequence[NodeConfig], excluded: Collection[int] = ()) -> None:
        self._nodes = {node.rank: Node(node) for node in nodes}
        self.excluded = frozenset(excluded)
        self._usable = [node for rank, node in self._nodes.items() if rank not in self.excluded]
        self._up = self._usable  # those that new jobs may use now
        self._matching: dict[bytes, list[Node]] = {}  # of these, by constraint
        self._totals = self.free
        self.version = 0
        """Another number after each change of what is free."""
        self.properties = properties_of(self._up)
        """Property -> the ranks that have it."""

    @property
    def hosts(self) -> Mapping[int, str]:
        """The host of each rank."""
        return {rank: node.host for rank, node in self._nodes.items()}

    @property
    def totals(self) -> "Totals":
        """What there is in all."""
        return self._totals

    @property
    def free(self) -> "Totals":
        """What is free now."""
        return Totals(
            nodes=sum(n.idle for n in self._usable),
            cores=sum(n.cores for n in self._usable),
            gpus=sum(n.gpus for n in self._usable),
        )

    @property
    def is_full(self) -> bool:
        """Whether no core is free that a new job could have."""
        return not any(node.cores for node in self._up)

    def check(self, spec: Jobspec) -> None:
        """Refuse a job that would not fit on an idle system.

        Raises:
            FormatError: "unsatisfiable request: ..." with what was asked for and what there is.
        """
        nodes = self._usable
        if spec.constraints:
            nodes = [*filter(_matches(spec), nodes)]
        room = sorted((slots(n.all_cores, n.all_gpus, spec) for n in nodes), reverse=True)
        if share(spec, room) is None:
            cores, gpus = sum(n.all_cores for n in nodes), sum(n.all_gpus for n in nodes)
            there = Totals(len(nodes), cores, gpus)
            which = f" that match {_text(spec.constraints)}" if spec.constraints else ""
            raise FormatError(f"unsatisfiable request: {_asked(spec)} of {there}{which}")

    def alloc(self, spec: Jobspec, last: Collection[int] = ()) -> list[Rank] | None:
        """Take resources for a job, or None if there is no room for it now.

        Of these ranks something is taken only if others do not suffice.
        """
        nodes = self._eligible(spec) if spec.constraints else self._up
        if spec.exclusive:
            nodes = [node for node in nodes if node.idle]
        if last:
            nodes = sorted(nodes, key=lambda node: node.rank in last)
        shares = share(spec, [node.fits(spec) for node in nodes])
        if shares is None:
            return None
        self.version += 1
        ranks = [node.take(spec, n) for node, n in zip(nodes, shares, strict=False) if n]
        return sorted(ranks, key=_by_rank) if last else ranks

    def wanted(self, spec: Jobspec) -> frozenset[int]:
        """The ranks that a job may use if its constraints leave it a part of them; else none."""
        return frozenset(node.rank for node in self._eligible(spec)) if spec.constraints else _NONE

    def room(self, spec: Jobspec) -> Room:
        """What is free now for a job, on the nodes that it may use."""
        return Room(self._eligible(spec))

    def drain(self, ranks: Collection[int]) -> None:
        """Give new jobs nothing of these ranks, and of no others, from now on."""
        self._up = [node for node in self._usable if node.rank not in ranks]
        self._matching.clear()
        self.version += 1

    def having(self, properties: Iterable[str]) -> frozenset[int]:
        """The ranks that have all of these properties."""
        wanted = frozenset(properties)
        return frozenset(rank for rank, n in self._nodes.items() if wanted <= n.properties)

    def _eligible(self, spec: Jobspec) -> list[Node]:
        """The nodes that a job may use; few constraints serve many jobs."""
        if not spec.constraints:
            return self._up
        key = msgspec.json.encode(spec.constraints)
        nodes = self._matching.get(key)
        if nodes is None:
            if len(self._matching) >= CONSTRAINTS_MAX:
                self._matching.clear()
            try:
                nodes = [*filter(_matches(spec), self._up)]
            except FormatError:  # it was never validated
                nodes = []
            self._matching[key] = nodes
        return nodes

    def reserve(self, allocs: Sequence[Rank]) -> None:
        """Take what a running job holds already."""
        for alloc in allocs:
            if alloc.rank in self._nodes:
                self._nodes[alloc.rank].reserve(alloc)

    def free_alloc(self, allocs: Sequence[Rank]) -> None:
        """Give a job's resources back."""
        self.version += 1
        for alloc in allocs:
            if alloc.rank in self._nodes:
                self._nodes[alloc.rank].give_back(alloc)

    # --- what there is, as R tells it ---------------------------------------------------------

    @property
    def inventory(self) -> ResourceSet:
        """Every node with all that it has."""
        return self._resource_set(node.whole for node in self._nodes.values())

    @property
    def all(self) -> ResourceSet:
        """As the inventory, but for the nodes that are excluded."""
        return self._resource_set(node.whole for node in self._usable)

    @property
    def allocated(self) -> ResourceSet:
        """What is taken."""
        return self._resource_set(node.taken for node in self._nodes.values() if not node.idle)

    def of(self, ranks: Collection[int]) -> ResourceSet:
        """All that these nodes have."""
        return self._resource_set(n.whole for n in self._nodes.values() if n.rank in ranks)

    def properties_of(self, held: Sequence[Rank]) -> Mapping[str, frozenset[int]]:
        """The properties of the nodes of an allocation."""
        return properties_of(self._nodes[rank.rank] for rank in held)

    def _resource_set(self, held: Iterable[Rank]) -> ResourceSet:
        ranks = tuple(held)
        return ResourceSet(ranks, properties=self.properties_of(ranks))


class Totals(Struct, frozen=True):
    """Counts of resources."""

    nodes: int
    cores: int
    gpus: int

    def __str__(self) -> str:
        nodes = "1 node" if self.nodes == 1 else f"{self.nodes} nodes"
        return f"{nodes} with {self.cores} cores and {self.gpus} GPUs"


def _matches(spec: Jobspec) -> Matches:
    try:
        if len(msgspec.json.encode(spec.constraints)) > CONSTRAINT_SIZE_MAX:
            raise FormatError(f"constraint has more than {CONSTRAINT_SIZE_MAX} bytes")
        return compiled(spec.constraints)
    except FormatError as error:
        raise FormatError(f"jobspec: attributes.system.constraints: {error}") from error


def _text(constraints: Mapping[str, Any]) -> str:
    text = msgspec.json.encode(constraints).decode()
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}..."


def _asked(spec: Jobspec) -> str:
    nodes = f"{spec.nodes} nodes, " if spec.nodes else ""
    gpus = f" and {spec.gpus_per_slot} GPUs" if spec.gpus_per_slot else ""
    return f"the job asks for {nodes}{spec.num_slots} slots of {spec.cores_per_slot} cores{gpus}"
