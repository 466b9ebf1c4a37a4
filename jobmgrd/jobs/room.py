"""Room: how many cores and GPUs of each node are free at some time, now or later."""

from collections.abc import Iterable, Sequence

from jobmgrd.jobs.nodes import Node, share, slots
from protocol.jobspec import Jobspec
from protocol.resource_set import Rank


class Room:
    """Counts by rank, of some nodes; what others have is passed over."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._free = {node.rank: [node.cores, node.gpus] for node in nodes}
        self._all = {node.rank: [node.all_cores, node.all_gpus] for node in nodes}

    def give_back(self, ranks: Iterable[Rank]) -> None:
        """What somebody held is free."""
        for held in ranks:
            if held.rank in self._free:
                self._free[held.rank][0] += len(held.cores)
                self._free[held.rank][1] += len(held.gpus)

    def take(self, ranks: Iterable[Rank]) -> None:
        """Somebody holds it."""
        for held in ranks:
            if held.rank in self._free:
                self._free[held.rank][0] -= len(held.cores)
                self._free[held.rank][1] -= len(held.gpus)

    def fits(self, spec: Jobspec) -> bool:
        """Whether a job has room here."""
        return share(spec, self._fitting(spec)) is not None

    def _fitting(self, spec: Jobspec) -> Sequence[int]:
        """How many slots fit on each node; an exclusive job needs it whole."""
        return [
            slots(cores, gpus, spec)
            for rank, (cores, gpus) in self._free.items()
            if not spec.exclusive or [cores, gpus] == self._all[rank]
        ]
