"""Backfill: jobs behind a head that does not fit may go first, if the head starts no later for it.

Theory. The earliest start of a head is the first instant at which it fits, given that each job that
runs gives back what it holds when its time limit says, and nothing else starts. It is computed from
counts of free cores and GPUs by node, since a job's slots are placed by counts alone (Room). A job
behind the head may start now if it fits now and

    ends by that instant, or leaves enough at that instant for the head to fit all the same.

So the head's earliest start never moves back: what was admitted holds nothing then that the head
needs. Running jobs without a time limit end "some day", after all that have one: a head that needs
what they hold waits for that day, when they are all taken to be over. A job without a time limit
ends later still, and so has to leave enough for the head. (This is EASY backfill, D. Lifka, The
ANL/IBM SP scheduling system, 1995; flux-core has it in modules/sched-backfill.py.)
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from jobmgrd.jobs.job import Job
from jobmgrd.jobs.scheduler import Scheduler
from protocol.jobspec import Jobspec
from protocol.resource_set import Rank

DEPTH: Final = 64
"""How many jobs behind a head are looked at."""


class Held(NamedTuple):
    """What a job holds, and until when (UNIX time, math.inf: nobody knows)."""

    end: float
    ranks: Sequence[Rank]


class Reservation:
    """The earliest start of a head, and what will be free then.

    `t` is UNIX time; math.inf if it waits for jobs without a time limit, or if `impossible`: it
    would not fit if nothing ran, since nodes are drained.
    """

    def __init__(
        self, scheduler: Scheduler, head: Jobspec, held: Iterable[Held], now: float
    ) -> None:
        self._head = head
        self._room = scheduler.room(head)
        self.t = now
        self.impossible = False
        ends = sorted(held, key=lambda each: each.end)
        at = 0
        while True:
            while at < len(ends) and ends[at].end <= self.t:
                self._room.give_back(ends[at].ranks)
                at += 1
            if self._room.fits(head):
                return
            if at == len(ends):
                self.t, self.impossible = math.inf, True
                return
            self.t = ends[at].end

    def admits(self, ranks: Sequence[Rank], end: float) -> bool:
        """Whether a job may hold this until then; if so, it is taken to do it."""
        if self.impossible or (end <= self.t and end < math.inf):
            return True
        self._room.take(ranks)
        if self._room.fits(self._head):
            return True
        self._room.give_back(ranks)
        return False


def backfill(
    scheduler: Scheduler,
    head: Job,
    behind: Iterable[Job],
    held: Callable[[], Iterable[Held]],
    now: float,
) -> Iterator[tuple[Job, list[Rank]]]:
    """The jobs that may start before a head that does not fit, with what they were given.

    Args:
        scheduler: what is yielded has been taken from it.
        head: the first job of a lane.
        behind: the jobs behind it, in their order.
        held: what running jobs hold now; asked for only if some job fits.
        now: UNIX time.
    """
    reservation: Reservation | None = None
    misfits: set[object] = set()
    wanted = scheduler.wanted(head.jobspec)
    for job in behind:
        spec = job.jobspec
        shape = _shape(spec)
        if shape in misfits or (shape, spec.duration) in misfits:
            continue
        ranks = scheduler.alloc(spec, wanted)
        if ranks is None:
            misfits.add(shape)
            continue
        if reservation is None:
            reservation = Reservation(
                scheduler, head.jobspec, [*held(), Held(-math.inf, ranks)], now
            )
        if reservation.admits(ranks, now + spec.duration if spec.duration else math.inf):
            yield job, ranks
        else:
            scheduler.free_alloc(ranks)
            misfits.add((shape, spec.duration))


def _shape(spec: Jobspec) -> tuple[object, ...]:
    constraints = msgspec.json.encode(spec.constraints) if spec.constraints else None
    return (
        spec.num_slots,
        spec.cores_per_slot,
        spec.gpus_per_slot,
        spec.nodes,
        spec.exclusive,
        constraints,
    )
