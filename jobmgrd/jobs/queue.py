"""Jobs that wait for resources: the highest priority first, among equals the older id."""

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from jobmgrd.jobs.job import Job
from protocol.job import PRIORITY_MIN


class PendingQueue:
    """A heap whose removed entries stay until they surface; `_jobs` says who is really in.

    A job of priority 0 is held: it is a member, but never the head.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int]] = []
        self._jobs: dict[int, Job] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, job: Job) -> None:
        """Let a job wait, by its present priority."""
        self._jobs[job.id] = job
        if job.priority != PRIORITY_MIN:
            heappush(self._heap, (-job.priority, job.id))

    def remove(self, id: int) -> None:
        """Take a job out; nothing if it is not in."""
        if self._jobs.pop(id, None) is not None and len(self._heap) > 2 * len(self._jobs) + 64:
            self._heap = [entry for entry in self._heap if self._is_current(entry)]
            heapify(self._heap)

    def jobs(self) -> Iterable[Job]:
        """All jobs that are in, in no particular order."""
        return self._jobs.values()

    def head(self) -> Job | None:
        """The next job to get resources, or None if all are held."""
        while self._heap and not self._is_current(self._heap[0]):
            heappop(self._heap)
        return self._jobs[self._heap[0][1]] if self._heap else None

    def _is_current(self, entry: tuple[int, int]) -> bool:
        job = self._jobs.get(entry[1])
        return job is not None and -job.priority == entry[0]
