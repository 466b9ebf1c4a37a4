"""Constraints (RFC 31) on configured nodes, by themselves and through the scheduler."""

from typing import Any

import pytest

from jobmgrd.jobs.constraints import compiled
from jobmgrd.jobs.nodes import Hosts, Node, configured
from jobmgrd.jobs.scheduler import Scheduler
from protocol.errors import FormatError
from protocol.jobspec import Jobspec, from_command, parse

ENTRIES = (
    Hosts(("a0", "a1", "a2"), cores=(0, 1)),
    Hosts(("a1", "a2"), properties=("ssd",)),
    Hosts(("a2",), properties=("big",)),
)
NODES = [Node(config) for config in configured(ENTRIES)]


def spec(constraints: Any, tasks: int = 1) -> Jobspec:  # noqa: ANN401 - anything may be sent
    """A job that asks for two cores of nodes like these, for each task."""
    attributes = {"constraints": constraints}
    return parse(
        from_command(
            ["true"], num_tasks=tasks, num_nodes=tasks, cores_per_task=2, attributes=attributes
        )
    )


@pytest.mark.parametrize(
    ("constraint", "ranks"),
    [
        ({}, [0, 1, 2]),
        ({"properties": ["ssd"]}, [1, 2]),
        ({"properties": ["ssd", "^big"]}, [1]),
        ({"properties": ["a0"]}, [0]),
        ({"hostlist": ["a[0-1]"]}, [0, 1]),
        ({"ranks": ["0", "2-9"]}, [0, 2]),
        ({"not": [{"properties": ["ssd", "big"]}]}, [0, 1]),
        ({"and": [{"hostlist": ["a[0-1]"]}, {"properties": ["ssd"]}]}, [1]),
        ({"or": [{"properties": ["big"]}, {"ranks": ["0"]}]}, [0, 2]),
        ({"and": []}, [0, 1, 2]),
        ({"or": []}, [0, 1, 2]),
        ({"not": []}, []),
    ],
)
def test_a_constraint_matches_the_nodes_that_rfc_31_says(
    constraint: dict[str, Any], ranks: list[int]
) -> None:
    """Operators without values included."""
    assert [node.rank for node in NODES if compiled(constraint)(node)] == ranks


@pytest.mark.parametrize(
    ("constraint", "text"),
    [
        ({"memory": ["1G"]}, "unknown constraint operator: memory"),
        ({"and": [], "or": []}, "constraint must only contain 1 element"),
        ({"and": ["x"]}, "constraint must be JSON object"),
        ({"or": {}}, "or operator value must be an array"),
        ({"properties": [1]}, "non-string properties value specified"),
        ({"properties": ["a|b"]}, "invalid character '|' in property \"a|b\""),
        ({"ranks": ["1-"]}, "invalid idset '1-'"),
        ({"hostlist": ["a["]}, "hostlist: malformed"),
    ],
)
def test_what_is_no_constraint_is_refused_at_submit(constraint: dict[str, Any], text: str) -> None:
    """The jobspec's key is named, and what is wrong with it."""
    with pytest.raises(FormatError) as caught:
        Scheduler(configured(ENTRIES)).check(spec(constraint))
    assert str(caught.value).startswith("jobspec: attributes.system.constraints: ")
    assert text in str(caught.value)


def test_a_deep_constraint_is_refused() -> None:
    """Before the interpreter's stack ends."""
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"and": [deep]}
    with pytest.raises(FormatError, match="nested too deep"):
        compiled(deep)


def test_a_job_uses_only_nodes_that_match_and_is_refused_if_they_do_not_suffice() -> None:
    """The refusal shows the constraint, and what there is."""
    scheduler = Scheduler(configured(ENTRIES))
    ssd = {"properties": ["ssd"]}
    ranks = scheduler.alloc(spec(ssd, tasks=2))
    assert ranks is not None
    assert [rank.host for rank in ranks] == ["a1", "a2"]
    assert scheduler.alloc(spec(ssd)) is None
    with pytest.raises(FormatError) as caught:
        scheduler.check(spec(ssd, tasks=3))
    assert str(caught.value) == (
        "unsatisfiable request: the job asks for 3 nodes, 3 slots of 2 cores of 2 nodes with "
        '4 cores and 0 GPUs that match {"properties":["ssd"]}'
    )


def test_a_drain_holds_for_constraints_that_were_asked_before() -> None:
    """Nodes that match are remembered, and forgotten in time."""
    scheduler = Scheduler(configured(ENTRIES))
    ssd = spec({"properties": ["ssd"]})
    ranks = scheduler.alloc(ssd)
    assert ranks is not None
    scheduler.free_alloc(ranks)
    scheduler.drain({1, 2})
    assert scheduler.alloc(ssd) is None
