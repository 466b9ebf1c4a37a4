"""The scheduler: counting and placing cores and GPUs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmgrd.jobs.nodes import NodeConfig
from jobmgrd.jobs.scheduler import Scheduler
from protocol.errors import FormatError
from protocol.jobspec import Jobspec, from_command, parse
from protocol.resource_set import Rank


def spec(tasks: int = 1, cores: int = 1, gpus: int = 0, nodes: int = 0) -> Jobspec:
    """A job of so many slots."""
    return parse(
        from_command(
            ["true"],
            num_tasks=tasks,
            cores_per_task=cores,
            gpus_per_task=gpus,
            num_nodes=nodes,
        )
    )


def one_node(cores: int = 4, gpus: int = 2) -> Scheduler:
    """A scheduler of one node."""
    return Scheduler([NodeConfig(0, "host0", cores, gpus)])


def test_the_lowest_free_cores_and_gpus_are_taken() -> None:
    """R names exactly what was taken."""
    assert one_node().alloc(spec(tasks=2, gpus=1)) == [Rank(0, (0, 1), (0, 1), "host0")]


def test_a_job_waits_when_there_is_no_room_and_fits_after_a_free() -> None:
    """What was taken is not given twice."""
    scheduler = one_node()
    first = scheduler.alloc(spec(cores=3))
    assert first is not None
    assert scheduler.alloc(spec(cores=2)) is None
    scheduler.free_alloc(first)
    assert scheduler.alloc(spec(cores=4)) == [Rank(0, (0, 1, 2, 3), (), "host0")]


@pytest.mark.parametrize(
    "job", [spec(tasks=5), spec(cores=5), spec(gpus=3), spec(tasks=2, nodes=2)]
)
def test_a_job_that_can_never_fit_is_refused_with_the_reason(job: Jobspec) -> None:
    """The text says what was asked for and what there is."""
    with pytest.raises(FormatError, match=r"unsatisfiable request: .* 4 cores and 2 GPUs"):
        one_node().check(job)


def test_a_busy_system_does_not_refuse() -> None:
    """Refusal looks at an idle system."""
    scheduler = one_node()
    scheduler.alloc(spec(tasks=4))
    scheduler.check(spec(tasks=4))


def test_nodes_are_spread_over() -> None:
    """A node level asks for that many distinct nodes."""
    scheduler = Scheduler([NodeConfig(n, f"host{n}", 4) for n in range(3)])
    ranks = scheduler.alloc(spec(tasks=4, nodes=2))
    assert ranks is not None
    assert [(rank.rank, rank.cores) for rank in ranks] == [(0, (0, 1)), (1, (0, 1))]


def test_some_nodes_may_be_left_to_others() -> None:
    """Unless there is no room elsewhere; R has its ranks in order all the same."""
    scheduler = Scheduler([NodeConfig(n, f"host{n}", 2) for n in range(3)])
    ranks = scheduler.alloc(spec(tasks=5), last={0, 1})
    assert ranks is not None
    assert [(rank.rank, rank.cores) for rank in ranks] == [(0, (0, 1)), (1, (0,)), (2, (0, 1))]


def test_what_a_running_job_holds_can_be_reserved() -> None:
    """After a restart, exactly the cores of R are taken."""
    scheduler = one_node()
    scheduler.reserve([Rank(0, (1, 3), (1,), "host0")])
    assert scheduler.free.cores == 2
    assert scheduler.alloc(spec(tasks=2)) == [Rank(0, (0, 2), (), "host0")]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(0, 1)),
            st.integers(0, 10),
        ),
        max_size=60,
    )
)
def test_nothing_is_ever_held_twice_or_lost(steps: list[tuple[int, int, int] | int]) -> None:
    """Over any allocs and frees, what is held and what is free add up."""
    scheduler = Scheduler([NodeConfig(0, "a", 5, 2), NodeConfig(1, "b", 3, 1)])
    held: list[list[Rank]] = []
    for step in steps:
        if isinstance(step, int):
            if held:
                scheduler.free_alloc(held.pop(step % len(held)))
            continue
        ranks = scheduler.alloc(spec(*step))
        if ranks is not None:
            held.append(ranks)
        cores = [(r.rank, core) for job in held for r in job for core in r.cores]
        gpus = [(r.rank, gpu) for job in held for r in job for gpu in r.gpus]
        assert len(cores) == len(set(cores))
        assert len(gpus) == len(set(gpus))
        assert scheduler.free.cores == 8 - len(cores)
        assert scheduler.free.gpus == 3 - len(gpus)


def test_an_excluded_node_is_there_and_never_given() -> None:
    """Neither after an undrain; what would need it is refused, what holds it gives it back."""
    scheduler = Scheduler([NodeConfig(rank, f"n{rank}", 2) for rank in range(3)], excluded=[1])
    assert [rank.rank for rank in scheduler.inventory.ranks] == [0, 1, 2]
    assert [rank.rank for rank in scheduler.all.ranks] == [0, 2]
    assert str(scheduler.totals) == "2 nodes with 4 cores and 0 GPUs"
    with pytest.raises(FormatError, match="of 2 nodes"):
        scheduler.check(spec(tasks=3, nodes=3))
    held = [Rank(1, (0,), (), "n1")]
    scheduler.reserve(held)
    scheduler.drain([0])
    scheduler.drain([])
    taken = scheduler.alloc(spec(tasks=4))
    assert taken is not None
    assert [rank.rank for rank in taken] == [0, 2]
    assert scheduler.is_full
    scheduler.free_alloc(held)
    assert scheduler.alloc(spec()) is None
