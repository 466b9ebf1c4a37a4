"""Resource sets R, version 1 (RFC 20)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import resource_set
from protocol.errors import FormatError
from protocol.resource_set import Rank, ResourceSet

EXAMPLE: dict[str, Any] = {
    "version": 1,
    "execution": {
        "R_lite": [{"rank": "19-22", "children": {"core": "0-47", "gpu": "0-7"}}],
        "nodelist": ["node[186-189]"],
        "nslots": 32,
        "starttime": 1676560542,
        "expiration": 1676562342,
    },
}


def with_execution(**keys: object) -> bytes:
    """A small R with keys of its execution replaced."""
    execution = {"R_lite": [{"rank": "0", "children": {"core": "0"}}], "nodelist": ["a"]} | keys
    return json.dumps({"version": 1, "execution": execution}).encode()


def test_parses_the_example_of_the_rfc() -> None:
    """Grouped ranks come apart, each with its host."""
    parsed = resource_set.parse(json.dumps(EXAMPLE).encode())
    assert [(rank.rank, rank.host) for rank in parsed.ranks] == [
        (19, "node186"),
        (20, "node187"),
        (21, "node188"),
        (22, "node189"),
    ]
    assert (parsed.ncores, parsed.ngpus, parsed.nslots) == (192, 32, 32)
    assert parsed.expiration - parsed.starttime == 1800.0
    assert parsed.nodelist == "node[186-189]"


def test_groups_ranks_that_hold_the_same() -> None:
    """R does not grow with the number of equal nodes."""
    parsed = resource_set.parse(json.dumps(EXAMPLE).encode())
    assert json.loads(resource_set.encode(parsed)) == EXAMPLE


def test_maps_hosts_to_sorted_ranks() -> None:
    """R_lite may come in any order; the nodelist is in order of rank."""
    lite = [
        {"rank": "2", "children": {"core": "2"}},
        {"rank": "0-1", "children": {"core": "0"}},
    ]
    parsed = resource_set.parse(with_execution(R_lite=lite, nodelist=["a", "b", "c"]))
    assert parsed.ranks == (
        Rank(0, (0,), host="a"),
        Rank(1, (0,), host="b"),
        Rank(2, (2,), host="c"),
    )


def test_ignores_the_scheduling_key() -> None:
    """It belongs to the scheduler that wrote it."""
    value = EXAMPLE | {"scheduling": {"graph": []}}
    assert resource_set.parse(json.dumps(value).encode()).nslots == 32


def test_one_rank_writes_compact_json() -> None:
    """The exact bytes that go into the store."""
    assert resource_set.one_rank(0, [0, 1, 2, 5], [], "n", 1.5, 0.0, nslots=2) == (
        b'{"version":1,"execution":{"R_lite":[{"rank":"0","children":{"core":"0-2,5"}}],'
        b'"nodelist":["n"],"nslots":2,"starttime":1.5,"expiration":0.0}}'
    )


IDS = st.sets(st.integers(0, 200), max_size=8).map(lambda ids: tuple(sorted(ids)))
RANK = st.builds(
    Rank,
    rank=st.integers(0, 50),
    cores=IDS.filter(bool),
    gpus=IDS,
    host=st.from_regex(r"\An[0-9]{1,3}\Z"),
)


@st.composite
def resource_sets(draw: st.DrawFn) -> ResourceSet:
    """Any resource set that is well formed."""
    ranks = draw(st.lists(RANK, unique_by=lambda rank: rank.rank, max_size=6))
    start = draw(st.floats(0, 2e9))
    have = st.frozensets(st.sampled_from([rank.rank for rank in ranks]) if ranks else st.nothing())
    names = st.text("abc@+-", min_size=1)
    return ResourceSet(
        tuple(sorted(ranks, key=lambda rank: rank.rank)),
        start,
        start + draw(st.floats(1, 1e6)),
        draw(st.integers(0, 9)),
        draw(st.dictionaries(names, have, max_size=2)),
    )


@given(resource_sets())
def test_parses_what_was_encoded(resources: ResourceSet) -> None:
    """The law of the pair."""
    assert resource_set.parse(resource_set.encode(resources)) == resources


@given(RANK, st.floats(0, 2e9))
def test_one_rank_equals_the_general_encoding(rank: Rank, start: float) -> None:
    """The scheduler's short way writes the same bytes."""
    assert resource_set.one_rank(
        rank.rank, rank.cores, rank.gpus, rank.host, start, start + 1, nslots=1
    ) == resource_set.encode(ResourceSet((rank,), start, start + 1, 1))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "R: invalid JSON"),
        (b"[]", "R: expected an object, got array"),
        (b"{}", "R: missing version"),
        (b'{"version":2,"execution":{}}', "R: version: expected an integer <= 1"),
        (b'{"version":1}', "R: missing execution"),
        (with_execution(R_lite=[{"rank": "0"}]), "R: missing execution.R_lite[0].children"),
        (
            with_execution(R_lite=[{"rank": 0, "children": {"core": "0"}}]),
            "R: execution.R_lite[0].rank: expected a string, got int",
        ),
        (
            with_execution(R_lite=[{"rank": "0", "children": {"core": ""}}]),
            "R: execution.R_lite[0].children.core: expected a string of length >= 1",
        ),
        (
            with_execution(R_lite=[{"rank": "0", "children": {"core": "x"}}]),
            "R: execution.R_lite[0].children.core: ",
        ),
        (
            with_execution(R_lite=[{"rank": "0", "children": {"core": "0", "memory": "1"}}]),
            "R: unknown key execution.R_lite[0].children.memory",
        ),
        (
            with_execution(R_lite=[{"rank": "0", "children": {"core": "0"}}] * 2),
            "R: execution.R_lite[1].rank: rank 0 occurs twice",
        ),
        (with_execution(nodelist=["a", "b"]), "R: execution.nodelist: 2 hosts for 1 ranks"),
        (with_execution(nodelist=["a["]), "R: execution.nodelist: hostlist: malformed"),
        (with_execution(nslots=0), "R: execution.nslots: expected an integer >= 1"),
        (with_execution(starttime=-1), "R: execution.starttime: must be >= 0"),
        (
            with_execution(starttime=2, expiration=1),
            "R: execution.expiration: must be greater than starttime",
        ),
        (with_execution(properties={"a|b": "0"}), "R: execution.properties.a|b: illegal"),
        (with_execution(properties={"a": "1"}), "R: execution.properties.a: names a rank"),
    ],
)
def test_refuses_with_the_path_of_what_is_wrong(data: bytes, text: str) -> None:
    """The text names the key."""
    with pytest.raises(FormatError) as caught:
        resource_set.parse(data)
    assert str(caught.value).startswith(text)
