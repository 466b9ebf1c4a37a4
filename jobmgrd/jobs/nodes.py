"""Nodes: what each has, or pretends to have, and which of it is free.

Free cores and GPUs of a node are bits of an integer, so that taking the lowest n of a thousand
costs a few machine words (flux-core's sched-simple does the same over rlists).
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from protocol import hostlist, idset
from protocol.errors import FormatError
from protocol.jobspec import Jobspec
from protocol.resource_set import Rank


class NodeConfig(Struct, frozen=True):
    """What a node has, or pretends to have: so many cores, numbered from 0, or just these."""

    rank: int
    host: str
    cores: int | tuple[int, ...]
    gpus: int | tuple[int, ...] = 0
    properties: frozenset[str] = frozenset()


class Hosts(Struct, frozen=True):
    """An entry of flux-config-resource(5)'s `config`: what it adds to each of some hosts."""

    hosts: tuple[str, ...]
    cores: tuple[int, ...] = ()
    gpus: tuple[int, ...] = ()
    properties: tuple[str, ...] = ()


def configured(entries: Iterable[Hosts]) -> Sequence[NodeConfig]:
    """The nodes that these entries make: ranks in the order in which hosts are first named.

    Raises:
        FormatError: a host has no cores.
    """
    found: dict[str, tuple[set[int], set[int], set[str]]] = {}
    for entry in entries:
        for host in entry.hosts:
            cores, gpus, properties = found.setdefault(host, (set(), set(), set()))
            cores.update(entry.cores)
            gpus.update(entry.gpus)
            properties.update(entry.properties)
    if bare := [host for host, (cores, *_) in found.items() if not cores]:
        raise FormatError(f"{hostlist.format(bare)} assigned no cores")
    return [
        NodeConfig(rank, host, tuple(sorted(cores)), tuple(sorted(gpus)), frozenset(properties))
        for rank, (host, (cores, gpus, properties)) in enumerate(found.items())
    ]


def ranks_of(targets: str, hosts: Mapping[int, str]) -> Sequence[int]:
    """The ranks that are named, as an idset (RFC 22) or by their hosts (RFC 29).

    Raises:
        FormatError: it is neither, or names some that there are not.
    """
    try:
        ranks = idset.parse(targets)
    except FormatError:
        return _ranks_of_hosts(targets, hosts)
    if not hosts.keys() >= set(ranks):
        raise FormatError("idset is out of range")
    return ranks


def _ranks_of_hosts(targets: str, hosts: Mapping[int, str]) -> Sequence[int]:
    try:
        named = set(hostlist.parse(targets))
    except FormatError as error:
        raise FormatError(f"invalid targets: {error}") from error
    if missing := named.difference(hosts.values()):
        raise FormatError(f"invalid targets: invalid hosts: {hostlist.format(sorted(missing))}")
    return [rank for rank, host in hosts.items() if host in named]


def are_real(nodes: Iterable[NodeConfig], cpus: int) -> bool:
    """Whether the cores of these nodes can be the first of so many CPUs, each of one node alone."""
    seen: set[int] = set()
    for node in nodes:
        cores = range(node.cores) if isinstance(node.cores, int) else node.cores
        if not seen.isdisjoint(cores) or max(cores, default=0) >= cpus:
            return False
        seen.update(cores)
    return True


class Node:
    """A node's resources, free and taken; masks have a bit for each core and GPU."""

    __slots__ = (
        "all_cores",
        "all_gpus",
        "core_mask",
        "cores",
        "free_cores",
        "free_gpus",
        "gpu_mask",
        "gpus",
        "host",
        "properties",
        "rank",
    )

    def __init__(self, config: NodeConfig) -> None:
        self.rank = config.rank
        self.host = config.host
        self.properties = config.properties
        self.core_mask = self.free_cores = _mask(config.cores)
        self.gpu_mask = self.free_gpus = _mask(config.gpus)
        self.cores = self.all_cores = self.core_mask.bit_count()
        self.gpus = self.all_gpus = self.gpu_mask.bit_count()

    def fits(self, spec: Jobspec) -> int:
        """How many slots of a job fit here now."""
        return slots(self.cores, self.gpus, spec)

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
        """Free what was taken, but for what the node no longer has."""
        for id in alloc.cores:
            self.free_cores |= 1 << id
        for id in alloc.gpus:
            self.free_gpus |= 1 << id
        self.free_cores &= self.core_mask
        self.free_gpus &= self.gpu_mask
        self.cores = self.free_cores.bit_count()
        self.gpus = self.free_gpus.bit_count()

    @property
    def idle(self) -> bool:
        """Whether nothing here is taken."""
        return self.cores == self.all_cores and self.gpus == self.all_gpus

    @property
    def whole(self) -> Rank:
        """All that the node has."""
        return Rank(self.rank, _ids(self.core_mask), _ids(self.gpu_mask), self.host)

    @property
    def taken(self) -> Rank:
        """What of it is taken."""
        cores = self.core_mask & ~self.free_cores
        gpus = self.gpu_mask & ~self.free_gpus
        return Rank(self.rank, _ids(cores), _ids(gpus), self.host)


def properties_of(nodes: Iterable[Node]) -> Mapping[str, frozenset[int]]:
    """Property -> the ranks of those nodes that have it, as R tells it (RFC 20)."""
    found: dict[str, set[int]] = {}
    for node in nodes:
        for name in sorted(node.properties):
            found.setdefault(name, set()).add(node.rank)
    return {name: frozenset(ranks) for name, ranks in found.items()}


def slots(cores: int, gpus: int, spec: Jobspec) -> int:
    """How many slots of a job so many cores and GPUs hold."""
    fit = cores // spec.cores_per_slot
    return min(fit, gpus // spec.gpus_per_slot) if spec.gpus_per_slot else fit


def share(spec: Jobspec, room: Sequence[int]) -> list[int] | None:
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


def _mask(ids: int | tuple[int, ...]) -> int:
    return (1 << ids) - 1 if isinstance(ids, int) else sum(1 << id for id in set(ids))


def _ids(mask: int) -> tuple[int, ...]:
    return _lowest(mask, mask.bit_count())[0]


def _lowest(free: int, count: int) -> tuple[tuple[int, ...], int]:
    """Take the lowest `count` set bits; the ids taken, and what stays free."""
    ids = []
    for _ in range(count):
        bit = free & -free
        ids.append(bit.bit_length() - 1)
        free ^= bit
    return tuple(ids), free
