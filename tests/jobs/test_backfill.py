"""Backfill: who may go before a head that does not fit, and the law that it waits for none."""

import heapq
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from jobmgrd.jobs.backfill import DEPTH, Held, Reservation, backfill
from jobmgrd.jobs.job import Job
from jobmgrd.jobs.nodes import NodeConfig
from jobmgrd.jobs.queue import PendingQueue
from jobmgrd.jobs.scheduler import Scheduler
from protocol.jobspec import from_command, parse
from protocol.resource_set import Rank

NOW = 1000.0


def job(
    id: int, cores: int = 1, duration: float = 0.0, nodes: int = 0, *, exclusive: bool = False
) -> Job:
    """A job of so many slots of a core, on so many nodes."""
    spec = from_command(
        ["true"],
        num_tasks=cores,
        num_nodes=nodes,
        exclusive=exclusive,
        attributes={"duration": duration},
    )
    made = Job(id, parse(spec), b"")
    made.priority = 16
    return made


class Machine:
    """Nodes, a lane, and jobs that run until they are told to end, as the engine has them."""

    def __init__(self, *cores: int) -> None:
        self.scheduler = Scheduler([NodeConfig(n, f"n{n}", c) for n, c in enumerate(cores)])
        self.lane = PendingQueue()
        self.now = NOW
        self.running: dict[int, Held] = {}
        self.started: list[int] = []

    def submit(self, *jobs: Job) -> None:
        """Let jobs wait."""
        for each in jobs:
            self.lane.add(each)

    def schedule(self) -> list[int]:
        """Start what can be started; the ids in order."""
        self.started = []
        while (head := self.lane.head()) is not None:
            ranks = self.scheduler.alloc(head.jobspec)
            if ranks is None:
                behind = self.lane.first(DEPTH + 1)[1:]
                for each, taken in backfill(
                    self.scheduler, head, behind, self.running.values, self.now
                ):
                    self.start(each, taken)
                break
            self.start(head, ranks)
        return self.started

    def start(self, each: Job, ranks: Sequence[Rank]) -> None:
        """Let a job run."""
        duration = each.jobspec.duration
        self.lane.remove(each.id)
        self.running[each.id] = Held(self.now + duration if duration else math.inf, ranks)
        self.started.append(each.id)

    def end(self, id: int) -> None:
        """Let a job that runs end."""
        self.scheduler.free_alloc(self.running.pop(id).ranks)

    def estimate(self) -> float:
        """When the head can start at the earliest."""
        head = self.lane.head()
        assert head is not None
        return Reservation(self.scheduler, head.jobspec, self.running.values(), self.now).t


def test_a_short_job_goes_before_a_head_that_waits() -> None:
    """If it ends by the time that the head can start; a longer one does not go."""
    machine = Machine(4)
    machine.submit(job(1, 3, 60), job(2, 4), job(3, 1, 61), job(4, 1, 60), job(5, 1, 10))
    assert machine.schedule() == [1, 4]
    assert machine.estimate() == NOW + 60


def test_a_long_job_goes_if_it_leaves_enough_for_the_head() -> None:
    """Without a time limit, too; what was admitted counts for the next."""
    machine = Machine(6)
    machine.submit(job(1, 4, 60), job(2, 4), job(3, 1), job(4, 1), job(5, 1))
    assert machine.schedule() == [1, 3, 4]
    assert machine.estimate() == NOW + 60


def test_jobs_without_a_time_limit_do_not_starve_a_head_that_waits_for_such() -> None:
    """Nobody knows when they end, so that only jobs with an end may use the rest meanwhile."""
    machine = Machine(4)
    machine.submit(job(1, 3), job(2, 4), job(3, 1), job(4, 1, 3600))
    assert machine.schedule() == [1, 4]
    assert machine.estimate() == math.inf


def test_a_head_that_drained_nodes_keep_waiting_holds_nobody_up() -> None:
    """It could not start if nothing ran."""
    machine = Machine(2, 2)
    machine.scheduler.drain({1})
    machine.submit(job(1, 4), job(2, 2))
    assert machine.schedule() == [2]


def test_nodes_that_the_head_cannot_use_are_not_kept_for_it() -> None:
    """A constraint says which those are."""
    machine = Machine(2, 2)
    spec = from_command(["true"], num_tasks=2, attributes={"constraints": {"hostlist": ["n0"]}})
    head = Job(2, parse(spec), b"")
    head.priority = 16
    machine.submit(job(1, 1, 60), head, job(3, 2))
    assert machine.schedule() == [1, 3]
    assert machine.running[3].ranks == [Rank(1, (0, 1), (), "n1")]


def test_whole_nodes_are_waited_for() -> None:
    """An exclusive head needs them empty."""
    machine = Machine(2, 2)
    machine.submit(job(1, 1, 60), job(2, 2, nodes=2, exclusive=True), job(3, 1), job(4, 1, 60))
    assert machine.schedule() == [1, 4]


def test_only_so_many_jobs_are_looked_at() -> None:
    """The cost of a pass is bounded however long the queue is."""
    machine = Machine(4)
    machine.submit(job(1, 3, 60), job(2, 4))
    machine.submit(*[job(id, 2) for id in range(3, DEPTH + 3)], job(DEPTH + 3, 1, 1))
    assert machine.schedule() == [1]
    machine.lane.remove(3)
    assert machine.schedule() == [DEPTH + 3]


class Spec(Struct, frozen=True):
    """A job of the model: it may end before its time limit, and may have none."""

    cores: int
    nodes: int
    exclusive: bool
    limit: int  # seconds; 0: none
    runs: int  # seconds


SPECS = st.builds(
    Spec,
    cores=st.integers(1, 4),
    nodes=st.integers(0, 2),
    exclusive=st.booleans(),
    limit=st.sampled_from([0, 1, 2, 3, 5, 8]),
    runs=st.integers(1, 8),
)
WORK = st.lists(SPECS, min_size=1, max_size=14)


def made(id: int, spec: Spec) -> Job:
    """The job."""
    cores = max(spec.cores, spec.nodes)
    exclusive = spec.exclusive and spec.nodes > 0
    return job(id, cores - cores % (spec.nodes or 1), spec.limit, spec.nodes, exclusive=exclusive)


@given(cores=st.lists(st.integers(1, 4), min_size=1, max_size=3), work=WORK)
def test_the_earliest_start_of_a_head_never_moves_back(cores: list[int], work: list[Spec]) -> None:
    """Over any jobs and ends, nothing is held twice, and a head starts when it was told, or before.

    All jobs wait from the beginning and have the same priority, so that a head stays the head.
    """
    machine = Machine(*cores)
    runs = dict(enumerate(work, start=1))
    for id, spec in runs.items():
        if Machine(*cores).scheduler.alloc(made(id, spec).jobspec) is not None:
            machine.submit(made(id, spec))
    promised: dict[int, float] = {}
    ends: list[tuple[float, int]] = []
    while True:
        for id in machine.schedule():
            assert machine.now <= promised.get(id, math.inf)
            limit = runs[id].limit or math.inf
            heapq.heappush(ends, (machine.now + min(runs[id].runs, limit), id))
        held = [
            (r.rank, core)
            for job in machine.running.values()
            for r in job.ranks
            for core in r.cores
        ]
        assert len(held) == len(set(held))
        assert machine.scheduler.free.cores == sum(cores) - len(held)
        if (head := machine.lane.head()) is not None:
            estimate = machine.estimate()
            assert estimate <= promised.get(head.id, math.inf)
            promised[head.id] = estimate
        if not ends:
            break
        machine.now, id = heapq.heappop(ends)
        machine.end(id)
    assert machine.lane.head() is None


@given(cores=st.lists(st.integers(1, 4), min_size=1, max_size=3), work=WORK)
def test_a_pass_does_not_move_the_heads_earliest_start(cores: list[int], work: list[Spec]) -> None:
    """Compared with the same pass without backfill."""
    machine = Machine(*cores)
    for id, spec in enumerate(work, start=1):
        if Machine(*cores).scheduler.alloc(made(id, spec).jobspec) is not None:
            machine.submit(made(id, spec))
    while (head := machine.lane.head()) is not None:
        ranks = machine.scheduler.alloc(head.jobspec)
        if ranks is None:
            break
        machine.start(head, ranks)
    if machine.lane.head() is None:
        return
    before = machine.estimate()
    machine.schedule()
    assert machine.estimate() == before


@pytest.mark.parametrize("count", [0, 1, 5, 100])
def test_the_first_jobs_of_a_lane_are_in_its_order(count: int) -> None:
    """Whatever was added again or taken out."""
    lane = PendingQueue()
    jobs = [job(id) for id in range(1, 60)]
    for each in jobs:
        each.priority = 1 + each.id * 7 % 5
        lane.add(each)
    for each in jobs[::3]:
        lane.remove(each.id)
        lane.add(each)
    for each in jobs[::4]:
        lane.remove(each.id)
    held = job(99)
    held.priority = 0
    lane.add(held)
    left = sorted(set(jobs) - set(jobs[::4]), key=lambda each: (-each.priority, each.id))
    assert [each.id for each in lane.first(count)] == [each.id for each in left][:count]
