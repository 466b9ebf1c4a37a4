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

    def first(self, count: int) -> list[Job]:
        """The next jobs to get resources, at most so many; the rest of a long queue costs nothing.

        They are found from the heap's root on: below the next of them are those after it.
        """
        found: dict[int, Job] = {}
        heap, size = self._heap, len(self._heap)
        frontier = [(heap[0], 0)] if heap else []
        while frontier and len(found) < count:
            (priority, id), place = heappop(frontier)
            for child in (2 * place + 1, 2 * place + 2):
                if child < size:
                    heappush(frontier, (heap[child], child))
            job = self._jobs.get(id)
            if job is not None and -job.priority == priority:
                found[id] = job
        return list(found.values())

    def _is_current(self, entry: tuple[int, int]) -> bool:
        job = self._jobs.get(entry[1])
        return job is not None and -job.priority == entry[0]
