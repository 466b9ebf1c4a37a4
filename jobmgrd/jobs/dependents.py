"""Who depends on whom: active jobs with after* dependencies, and the jobs that these name.

A job counts as a dependent from its submit until it is inactive, whether or not its dependencies
are met by then: so long its targets are held, so that whoever looks into it finds them.
"""

from collections import Counter
from collections.abc import Collection, Sequence

from jobmgrd.jobs.dependencies import After


class Dependents:
    """Both directions of the relation; everything takes time by the number of pairs concerned."""

    def __init__(self) -> None:
        self.by_target: dict[int, dict[int, list[After]]] = {}
        """Target -> dependent -> its dependencies on this target."""
        self._by_dependent: dict[int, list[int]] = {}
        self._start_awaited: set[int] = set()

    def add(self, dependent: int, after: After, *, await_start: bool = False) -> None:
        """An active job depends on another, whose start it may have to be told of."""
        found = self.by_target.setdefault(after.target, {}).setdefault(dependent, [])
        if not found:
            self._by_dependent.setdefault(dependent, []).append(after.target)
        found.append(after)
        if await_start:
            self._start_awaited.add(after.target)

    def drop(self, dependent: int) -> None:
        """A job is not active any more; nothing if it depended on none."""
        for target in self._by_dependent.pop(dependent, ()):
            dependents = self.by_target[target]
            del dependents[dependent]
            if not dependents:
                del self.by_target[target]
                self._start_awaited.discard(target)

    def started(self, target: int) -> Sequence[tuple[int, After]]:
        """Those that depend on the start of a job, if any had to be told of it; told once."""
        if target not in self._start_awaited:
            return ()
        self._start_awaited.discard(target)
        return [(id, after) for id, after in self.on(target) if after.on_start]

    def on(self, target: int) -> Sequence[tuple[int, After]]:
        """All that depend on a job, and how."""
        dependents = self.by_target.get(target, {})
        return [(id, after) for id, afters in dependents.items() for after in afters]

    def targets(self, dependent: int) -> Sequence[int]:
        """The jobs that a job depends on, each once."""
        return self._by_dependent.get(dependent, ())

    def left_by(self, ended: Collection[int]) -> Sequence[int]:
        """The targets on which nobody depends once these dependents have ended."""
        counts = Counter(target for id in ended for target in self.targets(id))
        return [target for target, n in counts.items() if n == len(self.by_target[target])]
