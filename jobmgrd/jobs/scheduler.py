"""A simple scheduler: counts cores and GPUs of nodes, places task slots first fit.

Free cores and GPUs of a node are bits of an integer, so that taking the lowest n of a thousand
costs a few machine words (flux-core's sched-simple does the same over rlists).
"""

from collections.abc import Sequence

from msgspec import Struct

from protocol.errors import FormatError
from protocol.jobspec import Jobspec
from protocol.resource_set import Rank


class NodeConfig(Struct, frozen=True):
    """What a node has, or pretends to have."""

    rank: int
    host: str
    cores: int
    gpus: int = 0


class Node:
    """A node's resources, free and taken; masks have a bit for each core and GPU."""

    __slots__ = (
        "all_cores",
        "all_gpus",
        "cores",
        "free_cores",
        "free_gpus",
        "gpus",
        "host",
        "rank",
    )

    def __init__(self, config: NodeConfig) -> None:
        self.rank = config.rank
        self.host = config.host
        self.cores = self.all_cores = config.cores
        self.gpus = self.all_gpus = config.gpus
        self.free_cores = (1 << config.cores) - 1
        self.free_gpus = (1 << config.gpus) - 1

    def fits(self, spec: Jobspec) -> int:
        """How many slots of a job fit here now."""
        return _slots(self.cores, self.gpus, spec)

    def take(self, spec: Jobspec, slots: int) -> Rank:
        """Take the resources of so many slots; an exclusive job takes the whole node."""
        cores = self.all_cores if spec.exclusive else slots * spec.cores_per_slot
        gpus = self.all_gpus if spec.exclusive else slots * spec.gpus_per_slot
        core_ids, self.free_cores = _lowest(self.free_cores, cores)
        gpu_ids, self.free_gpus = _lowest(self.free_gpus, gpus)
        self.cores -= cores
        self.gpus -= gpus
        return Rank(self.rank, core_ids, gpu_ids, self.host)

    def reserve(self, alloc: Rank) -> None:
        """Take exactly these; for jobs found running at a restart."""
        for id in alloc.cores:
            self.free_cores &= ~(1 << id)
        for id in alloc.gpus:
            self.free_gpus &= ~(1 << id)
        self.cores = self.free_cores.bit_count()
        self.gpus = self.free_gpus.bit_count()

    def give_back(self, alloc: Rank) -> None:
        """Free what was taken."""
        for id in alloc.cores:
            self.free_cores |= 1 << id
        for id in alloc.gpus:
            self.free_gpus |= 1 << id
        self.cores += len(alloc.cores)
        self.gpus += len(alloc.gpus)

    @property
    def idle(self) -> bool:
        """Whether nothing here is taken."""
        return self.cores == self.all_cores and self.gpus == self.all_gpus


class Scheduler:
    """All nodes, and where the slots of a job go."""

    def __init__(self, nodes: Sequence[NodeConfig]) -> None:
        self._nodes = {node.rank: Node(node) for node in nodes}
        self._totals = Totals(
            nodes=len(nodes), cores=sum(n.cores for n in nodes), gpus=sum(n.gpus for n in nodes)
        )

    @property
    def totals(self) -> "Totals":
        """What there is in all."""
        return self._totals

    @property
    def free(self) -> "Totals":
        """What is free now."""
        nodes = self._nodes.values()
        return Totals(
            nodes=sum(n.idle for n in nodes),
            cores=sum(n.cores for n in nodes),
            gpus=sum(n.gpus for n in nodes),
        )

    def check(self, spec: Jobspec) -> None:
        """Refuse a job that would not fit on an idle system.

        Raises:
            FormatError: "unsatisfiable request: ..." with what was asked for and what there is.
        """
        room = sorted(_slots(n.all_cores, n.all_gpus, spec) for n in self._nodes.values())
        if _share(spec, room[::-1]) is None:
            raise FormatError(f"unsatisfiable request: {_asked(spec)} of {self._totals}")

    def alloc(self, spec: Jobspec) -> list[Rank] | None:
        """Take resources for a job, or None if there is no room for it now."""
        nodes = [n for n in self._nodes.values() if n.idle or not spec.exclusive]
        shares = _share(spec, [node.fits(spec) for node in nodes])
        if shares is None:
            return None
        return [node.take(spec, n) for node, n in zip(nodes, shares, strict=False) if n]

    def reserve(self, allocs: Sequence[Rank]) -> None:
        """Take what a running job holds already."""
        for alloc in allocs:
            if alloc.rank in self._nodes:
                self._nodes[alloc.rank].reserve(alloc)

    def free_alloc(self, allocs: Sequence[Rank]) -> None:
        """Give a job's resources back."""
        for alloc in allocs:
            if alloc.rank in self._nodes:
                self._nodes[alloc.rank].give_back(alloc)


class Totals(Struct, frozen=True):
    """Counts of resources."""

    nodes: int
    cores: int
    gpus: int

    def __str__(self) -> str:
        nodes = "1 node" if self.nodes == 1 else f"{self.nodes} nodes"
        return f"{nodes} with {self.cores} cores and {self.gpus} GPUs"


def _slots(cores: int, gpus: int, spec: Jobspec) -> int:
    fit = cores // spec.cores_per_slot
    return min(fit, gpus // spec.gpus_per_slot) if spec.gpus_per_slot else fit


def _share(spec: Jobspec, room: Sequence[int]) -> list[int] | None:
    """How many slots go to each node, given how many fit there; None if they do not fit."""
    want = spec.num_slots
    shares: list[int] = []
    if spec.nodes:
        each = want // spec.nodes
        left = spec.nodes
        for fit in room:
            taken = left > 0 and fit >= each
            shares.append(each if taken else 0)
            left -= taken
        return None if left else shares
    for fit in room:
        shares.append(min(fit, want))
        want -= shares[-1]
        if not want:
            return shares
    return None


def _lowest(free: int, count: int) -> tuple[tuple[int, ...], int]:
    """Take the lowest `count` set bits; the ids taken, and what stays free."""
    ids = []
    for _ in range(count):
        bit = free & -free
        ids.append(bit.bit_length() - 1)
        free ^= bit
    return tuple(ids), free


def _asked(spec: Jobspec) -> str:
    nodes = f"{spec.nodes} nodes, " if spec.nodes else ""
    gpus = f" and {spec.gpus_per_slot} GPUs" if spec.gpus_per_slot else ""
    return f"the job asks for {nodes}{spec.num_slots} slots of {spec.cores_per_slot} cores{gpus}"
