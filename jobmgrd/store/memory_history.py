"""The retention domain's History, asked of lists in memory."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence

from jobmgrd.jobs.retention import HELD, Candidate
from jobmgrd.store.port import InactiveRow


class MemoryHistory:
    """A jobmgrd.jobs.retention.History: a sorted list for each retention class."""

    def __init__(self, jobs: Mapping[int, InactiveRow]) -> None:
        self._jobs = jobs
        self._classes: dict[int, list[Candidate]] = {}

    def add(self, job: Candidate) -> None:
        """Let a job into its class."""
        insort(self._classes.setdefault(job.rule, []), job)

    def remove(self, job: Candidate) -> None:
        """Take a job out of its class."""
        jobs = self._classes[job.rule]
        del jobs[bisect_left(jobs, job)]

    def held(self) -> int:
        """The number of jobs that are in nobody's reach."""
        return len(self._classes.get(HELD, ()))

    def counts(self) -> Mapping[int, int]:
        """The number of jobs in each class that has any."""
        return {rule: len(jobs) for rule, jobs in self._classes.items() if rule != HELD and jobs}

    def oldest(self, rule: int, limit: int) -> Sequence[Candidate]:
        """At most `limit` jobs of a class, oldest first."""
        return self._classes.get(rule, [])[:limit]

    def count_before(self, rule: int, t: float) -> int:
        """How many jobs of a class have `t_clean` < t."""
        return bisect_left(self._classes.get(rule, []), t, key=lambda job: job.t_clean)

    def position(self, job: Candidate) -> int:
        """How many jobs of its class go before this one."""
        return bisect_left(self._classes.get(job.rule, []), job)

    def find(self, ids: Iterable[int]) -> Sequence[Candidate]:
        """Those of these jobs that are inactive, held or not."""
        return [candidate(self._jobs[id]) for id in dict.fromkeys(ids) if id in self._jobs]


def candidate(row: InactiveRow) -> Candidate:
    """An inactive job as decisions see it."""
    return Candidate(row.t_clean, row.id, row.rule)
