"""Jobs that wait for resources, in lanes: a blocked head keeps only its own lane waiting.

A lane is one order, by priority and then id. Queues that have no node in common are lanes of their
own; queues that share nodes, and virtual queues with their parent, are one lane together. Jobs of
a queue that is stopped wait aside, and so do those of a queue that is gone.
"""

from collections.abc import Collection, Iterator, Mapping

from jobmgrd.jobs.job import Job
from jobmgrd.jobs.queue import PendingQueue
from jobmgrd.jobs.queues import Queues


class Pending:
    """Every job in state SCHED that is durable there."""

    def __init__(self) -> None:
        self._lanes: Mapping[str, PendingQueue] = {"": PendingQueue()}  # of started queues
        self._where: dict[int, PendingQueue] = {}
        self._aside: dict[int, Job] = {}
        self.lanes: Collection[PendingQueue] = list(self._lanes.values())
        """Each lane once."""
        self.version = 0
        """Another number after each change."""

    def __len__(self) -> int:
        return len(self._where) + len(self._aside)

    def add(self, job: Job) -> None:
        """Let a job wait, by its present queue and priority."""
        self.version += 1
        lane = self._lanes.get(job.jobspec.queue)
        if lane is None:
            self._aside[job.id] = job
        else:
            self._where[job.id] = lane
            lane.add(job)

    def remove(self, id: int) -> None:
        """Take a job out; nothing if it is not in."""
        self.version += 1
        lane = self._where.pop(id, None)
        if lane is None:
            self._aside.pop(id, None)
        else:
            lane.remove(id)

    @property
    def aside(self) -> Collection[Job]:
        """The jobs of queues that are stopped or gone."""
        return self._aside.values()

    def jobs(self) -> Iterator[Job]:
        """All jobs, in no particular order."""
        yield from self._aside.values()
        for lane in self.lanes:
            yield from lane.jobs()

    def arrange(self, queues: Queues, nodes: Mapping[str, frozenset[int]]) -> None:
        """Part the jobs anew, after queues were configured, started or stopped.

        Args:
            queues: which queues there are, and which are started.
            nodes: the ranks that each queue which is not virtual may use.
        """
        jobs = list(self.jobs())
        lanes = {name: PendingQueue() for name in nodes}
        for name in nodes:
            for other in nodes:
                if nodes[name] & nodes[other] and lanes[name] is not lanes[other]:
                    gone, kept = lanes[other], lanes[name]
                    lanes = {n: kept if lane is gone else lane for n, lane in lanes.items()}
        names = queues.names or [""]
        self._lanes = {n: lanes[queues.root(n)] for n in names if queues.started(n)}
        self.lanes = list({id(lane): lane for lane in self._lanes.values()}.values())
        self._where, self._aside = {}, {}
        for job in jobs:
            self.add(job)
