"""Nodes as configured, and the scheduler over several of them."""

import pytest

from jobmgrd.jobs.nodes import Hosts, NodeConfig, configured
from jobmgrd.jobs.scheduler import Scheduler
from protocol.errors import FormatError
from protocol.jobspec import from_command, parse
from protocol.resource_set import Rank

FOUR = (
    Hosts(("a0", "a1", "a2", "a3"), cores=(2, 3)),
    Hosts(("a3", "b0"), cores=(0,), gpus=(1,), properties=("gpu", "big")),
)


def test_each_entry_adds_to_its_hosts_and_ranks_follow_the_first_naming() -> None:
    """As flux-config-resource(5) says of a host that is named twice."""
    nodes = configured(FOUR)
    assert [node.host for node in nodes] == ["a0", "a1", "a2", "a3", "b0"]
    assert nodes[3] == NodeConfig(3, "a3", (0, 2, 3), (1,), frozenset({"gpu", "big"}))


def test_a_host_without_cores_is_refused_by_name() -> None:
    """Nothing could ever run there."""
    with pytest.raises(FormatError, match=r"^x\[1-2\] assigned no cores$"):
        configured([*FOUR, Hosts(("x1", "x2"), gpus=(0,))])


def test_the_cores_that_a_node_has_are_taken_by_their_numbers() -> None:
    """They need not begin at 0."""
    scheduler = Scheduler(configured(FOUR))
    ranks = scheduler.alloc(parse(from_command(["true"], num_tasks=2, num_nodes=2)))
    assert ranks == [Rank(0, (2,), (), "a0"), Rank(1, (2,), (), "a1")]
    assert scheduler.allocated.ranks == tuple(ranks)


def test_what_is_held_names_the_properties_of_its_nodes() -> None:
    """And only of these."""
    scheduler = Scheduler(configured(FOUR))
    ranks = scheduler.alloc(parse(from_command(["true"], gpus_per_task=1)))
    assert ranks == [Rank(3, (0,), (1,), "a3")]
    assert scheduler.properties_of(ranks) == {"big": {3}, "gpu": {3}}
    assert scheduler.all.properties == {"big": {3, 4}, "gpu": {3, 4}}


def test_drained_nodes_get_no_new_jobs_but_refuse_none() -> None:
    """A job for which there would be room without the drain waits."""
    scheduler = Scheduler(configured(FOUR))
    whole = parse(from_command(["true"], num_tasks=5, num_nodes=5))
    scheduler.drain({1})
    scheduler.check(whole)
    assert scheduler.alloc(whole) is None
    scheduler.drain(())
    assert scheduler.alloc(whole) is not None


def test_what_a_node_no_longer_has_is_not_given_back() -> None:
    """A job may have run before its node was configured smaller."""
    scheduler = Scheduler([NodeConfig(0, "a", 2)])
    scheduler.reserve([Rank(0, (1, 5), (3,), "a")])
    assert scheduler.free.cores == 1
    scheduler.free_alloc([Rank(0, (1, 5), (3,), "a")])
    assert (scheduler.free.cores, scheduler.free.gpus) == (2, 0)
