"""Tasks on nodes: as many on each as its cores hold, or as the options say."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmgrd.jobs.placement import _spread, place
from protocol import taskmap
from protocol.errors import FormatError
from protocol.jobspec import from_command, parse
from protocol.resource_set import Rank


def placed(cores: list[int], options: dict[str, Any] | None = None, **job: Any) -> list[int]:  # noqa: ANN401
    """The node of each task of a job on nodes with so many cores."""
    jobspec = from_command(["true"], **job)
    jobspec["attributes"]["system"]["shell"] = {"options": options or {}}
    ranks = [Rank(n, tuple(range(count))) for n, count in enumerate(cores)]
    return list(taskmap.nodes(place(parse(jobspec), ranks)))


@pytest.mark.parametrize(
    ("cores", "job", "nodes"),
    [
        ([3], {"num_tasks": 3}, [0, 0, 0]),
        ([2, 2], {"num_tasks": 4}, [0, 0, 1, 1]),
        ([1, 3], {"num_tasks": 4}, [0, 1, 1, 1]),
        ([4, 2], {"num_tasks": 3, "cores_per_task": 2}, [0, 0, 1]),
        ([2, 2], {"num_tasks": 3, "num_nodes": 2}, [0, 0, 1]),
        ([4, 4], {"num_tasks": 2, "num_nodes": 2, "exclusive": True}, [0, 1]),
    ],
)
def test_nodes_get_tasks_by_their_cores(
    cores: list[int], job: dict[str, Any], nodes: list[int]
) -> None:
    """As flux-core distributes them: in turns, until a node has no room."""
    assert placed(cores, **job) == nodes


def test_more_tasks_than_slots_share_them() -> None:
    """RFC 25: a total above the number of slots."""
    jobspec = from_command(["true"], num_tasks=2)
    jobspec["tasks"][0]["count"] = {"total": 5}
    ranks = [Rank(0, (0,)), Rank(1, (0,))]
    assert list(taskmap.nodes(place(parse(jobspec), ranks))) == [0, 0, 0, 1, 1]


def test_tasks_per_resource_follow_what_was_allocated() -> None:
    """For each node, or each core of it."""
    per_node = {"per-resource": {"type": "node", "count": 2}}
    assert placed([1, 5], per_node, num_tasks=2, num_nodes=2) == [0, 0, 1, 1]
    per_core = {"per-resource": {"type": "core", "count": 2}}
    assert placed([1, 2], per_core, num_tasks=3) == [0, 0, 1, 1, 1, 1]
    assert placed([2], per_core, num_tasks=1) == [0] * 4
    too_many = {"per-resource": {"type": "core", "count": 2**20}}
    with pytest.raises(FormatError, match="at most 1048576 tasks, got 2097152"):
        placed([2], too_many, num_tasks=1)


def test_a_task_map_says_which() -> None:
    """In turns, or by hand; a map by hand has to have the job's tasks."""
    cyclic = {"taskmap": {"scheme": "cyclic"}}
    assert placed([2, 2], cyclic, num_tasks=4) == [0, 1, 0, 1]
    manual = {"taskmap": {"scheme": "manual", "value": "[[1,1,3,1],[0,1,1,1]]"}}
    assert placed([2, 2], manual, num_tasks=4) == [1, 1, 1, 0]
    with pytest.raises(FormatError, match="has 4 tasks, expected 3"):
        placed([2, 2], manual, num_tasks=3)
    with pytest.raises(FormatError, match="node 1 is not one of the job's 1"):
        placed([4], manual, num_tasks=4)


@given(
    cores=st.lists(st.integers(1, 9), min_size=2, max_size=6),
    size=st.integers(1, 4),
    ntasks=st.integers(1, 99),
)
def test_tasks_are_dealt_as_if_one_by_one(cores: list[int], size: int, ntasks: int) -> None:
    """Rounds over the nodes, those with most cores first, until none has room; then again."""
    size = min(size, *cores)
    dealt: list[int] = []
    while len(dealt) < ntasks:
        room = [n // size for n in cores]
        while any(room):
            for node in sorted(range(len(cores)), key=lambda node: -cores[node]):
                dealt += [node] if room[node] else []
                room[node] -= bool(room[node])
    assert _spread(ntasks, size, cores) == [
        dealt[:ntasks].count(node) for node in range(len(cores))
    ]


def test_a_million_tasks_are_dealt_in_no_time() -> None:
    """Somebody may only ask for them."""
    assert _spread(1 << 20, 1, [1, 3]) == [1 << 18, 3 << 18]
