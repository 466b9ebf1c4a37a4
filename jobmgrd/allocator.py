"""The allocator: gives resources to the jobs that wait for them, and takes them back.

At the end of a tick in which something changed, the head of each lane (jobmgrd/jobs/pending.py)
gets resources for as long as they suffice; behind a head that has to wait, jobs start that do not
delay it. flux-core's counterpart is job-manager/alloc.c with the scheduler behind it.
"""

import asyncio
import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from jobmgrd.jobs import times
from jobmgrd.jobs.backfill import DEPTH, Held, Reservation, backfill
from jobmgrd.jobs.job import Job
from jobmgrd.jobs.pending import Pending
from jobmgrd.jobs.queue import PendingQueue
from jobmgrd.jobs.queues import Queues
from jobmgrd.jobs.scheduler import Scheduler
from protocol import resource_set
from protocol.job import State
from protocol.resource_set import Rank, ResourceSet


class Allocator:
    """What is free, who holds what, and who waits.

    Args:
        scheduler: the resources.
        clock: UNIX time.
        allocated: called with a job that was given resources, its ranks and R set.
    """

    def __init__(
        self, scheduler: Scheduler, clock: Callable[[], float], allocated: Callable[[Job], None]
    ) -> None:
        self.scheduler = scheduler
        self.queues = Queues()
        self.pending = Pending()
        self._clock = clock
        self._allocated = allocated
        self._holders: dict[int, Job] = {}
        self._due = False
        self._stopped = False
        self.in_housekeeping: Callable[[], Iterable[Sequence[Rank]]] = lambda: ()
        """Tells what no job holds any more, and is not free yet."""

    def stop(self) -> None:
        """Give nothing more to anybody."""
        self._stopped = True

    # --- jobs -------------------------------------------------------------------------------

    def wait(self, job: Job) -> None:
        """Let a job wait for resources, if it still has to, by its present priority."""
        if job.state is State.SCHED:
            self.pending.add(job)
            self.schedule_soon()

    def leave(self, job: Job) -> None:
        """A job does not wait any more."""
        self.pending.remove(job.id)
        if job.state is State.CLEANUP:  # it may have been a head that kept others waiting
            self.schedule_soon()

    def reserve(self, job: Job) -> None:
        """Take what a job holds already; for those found running at a restart."""
        self.scheduler.reserve(job.ranks)
        self._holders[job.id] = job

    def give_back(self, ranks: Sequence[Rank]) -> None:
        """Take resources back, and let others have them."""
        self.scheduler.free_alloc(ranks)
        self.schedule_soon()

    def end(self, job: Job) -> None:
        """A job holds no resources any more, given back or not."""
        self._holders.pop(job.id, None)

    def limit_changed(self) -> None:
        """A job that holds resources got another time limit: heads may start at another time."""
        self.scheduler.version += 1
        self.schedule_soon()

    # --- scheduling -------------------------------------------------------------------------

    def schedule_soon(self) -> None:
        """See at the end of the tick whether jobs fit that did not."""
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._schedule)

    def arrange_queues(self) -> None:
        """Schedule by the queues as they are now; for when they were configured or switched."""
        nodes = {n: self.scheduler.having(required) for n, required in self.queues.roots.items()}
        self.pending.arrange(self.queues, nodes)
        self.schedule_soon()

    def _schedule(self) -> None:
        """Give resources to the head of each lane for as long as it fits."""
        self._due = False
        for lane in self.pending.lanes:
            while not self._stopped and (job := lane.head()) is not None:
                ranks = self.scheduler.alloc(job.jobspec)
                if ranks is None:
                    self._backfill(lane, job)
                    break
                self._alloc(job, ranks)

    def _backfill(self, lane: PendingQueue, head: Job) -> None:
        """Let jobs behind the head start that do not delay it."""
        if len(lane) > 1 and not self.scheduler.is_full:
            behind = lane.first(DEPTH + 1)[1:]
            now = self._clock()
            for job, ranks in backfill(self.scheduler, head, behind, self._held, now):
                self._alloc(job, ranks)

    def estimate(self, head: Job) -> Reservation:
        """When the head of a lane can start, by the time limits of what runs."""
        return Reservation(self.scheduler, head.jobspec, self._held(), self._clock())

    def _held(self) -> Iterator[Held]:
        """What is held, and until when; what is nearly over, is taken to be over now."""
        now = self._clock()
        for job in self._holders.values():
            end = now if job.state is State.CLEANUP else times.expiration(job) or math.inf
            yield Held(end, job.ranks)
        for ranks in self.in_housekeeping():
            yield Held(now, ranks)

    def _alloc(self, job: Job, ranks: Sequence[Rank]) -> None:
        self._holders[job.id] = job
        job.ranks = ranks
        job.R = self._encode_R(ranks, job.jobspec.duration)
        self._allocated(job)

    def _encode_R(self, ranks: Sequence[Rank], duration: float) -> bytes:  # noqa: N802
        now = self._clock()
        expiration = times.end(now, duration) if duration else 0.0
        if len(ranks) == 1 and not self.scheduler.properties:
            rank = ranks[0]
            return resource_set.one_rank(
                rank.rank, rank.cores, rank.gpus, rank.host, now, expiration
            )
        properties = self.scheduler.properties_of(ranks)
        return resource_set.encode(
            ResourceSet(tuple(ranks), now, expiration, properties=properties)
        )
