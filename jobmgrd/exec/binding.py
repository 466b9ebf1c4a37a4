"""Which CPUs a task is bound to (flux-core shell/affinity.c).

Cores of a job are logical: core n is the nth CPU that the supervisor may run on. Where nodes and
cores are pretended, cores are not those of this host, and only a map of CPUs binds.
"""

import os
from collections.abc import Sequence

from protocol.shell_options import Affinity


class Binder:
    """Knows this host's CPUs; `bind` says whether the cores of jobs are they."""

    def __init__(self, *, bind: bool) -> None:
        self._bind = bind
        self._cpus = sorted(os.sched_getaffinity(0))

    def cpus(
        self, option: Affinity, cores: Sequence[int], local: int, tasks: int
    ) -> frozenset[int] | None:
        """The CPUs of a task, the `local`th of so many on its node; None: it is not bound."""
        if option.mode == "off":
            return None
        if option.mode == "map":
            wanted = frozenset(option.map[local % len(option.map)])
            return wanted & frozenset(self._cpus) or None
        if not self._bind or not cores or max(cores) >= len(self._cpus):
            return None
        if option.mode == "per-task":
            cores = share(cores, local, tasks)
        if len(cores) == len(self._cpus):
            return None  # all of them
        return frozenset(self._cpus[core] for core in cores)


def share(cores: Sequence[int], local: int, tasks: int) -> Sequence[int]:
    """The cores of one task: runs of equal length, or one core for several tasks."""
    first, end = local * len(cores) // tasks, (local + 1) * len(cores) // tasks
    return cores[first : max(end, first + 1)]
