"""RFC 34: blocks and the tasks they stand for."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import taskmap
from protocol.errors import FormatError

COUNTS = st.lists(st.integers(0, 7), min_size=1, max_size=6)


def test_a_map_is_read_bare_and_wrapped() -> None:
    """Both forms of the RFC; blocks are nodeid, nnodes, ppn, repeat."""
    bare = taskmap.parse("[[0,2,1,2],[2,1,3,1]]")
    assert bare == taskmap.parse('{"version":1,"map":[[0,2,1,2],[2,1,3,1]]}')
    assert list(taskmap.nodes(bare)) == [0, 1, 0, 1, 2, 2, 2]
    assert taskmap.size(bare) == 7
    assert taskmap.parse(json.dumps(taskmap.wrap(bare))) == bare


@pytest.mark.parametrize("text", ["", "[[0,1,1]]", "[[0,0,1,1]]", "{}", "[[-1,1,1,1]]", "x"])
def test_what_is_no_map_is_refused(text: str) -> None:
    """Blocks of zero tasks included."""
    with pytest.raises(FormatError, match="taskmap"):
        taskmap.parse(text)


@given(COUNTS)
def test_block_fills_one_node_after_the_other(counts: list[int]) -> None:
    """The nodes of the tasks ascend, and each has its count."""
    made = taskmap.block(counts)
    assert list(taskmap.nodes(made)) == [node for node, n in enumerate(counts) for _ in range(n)]
    assert taskmap.counts(made, len(counts)) == counts


@given(COUNTS, st.integers(1, 4))
def test_cyclic_goes_round(counts: list[int], stride: int) -> None:
    """Each turn gives every node that has tasks left as many as the stride."""
    made = taskmap.cyclic(counts, stride)
    expected: list[int] = []
    left = list(counts)
    while any(left):
        for node, n in enumerate(left):
            expected += [node] * min(stride, n)
            left[node] -= min(stride, n)
    assert list(taskmap.nodes(made)) == expected


def test_a_map_of_other_nodes_is_refused() -> None:
    """The text says which."""
    with pytest.raises(FormatError, match="node 2 is not one of the job's 2"):
        taskmap.counts(taskmap.parse("[[1,2,1,1]]"), 2)
