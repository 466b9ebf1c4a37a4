"""Constraint queries: RFC 35's examples, what else Flux reads, and what is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmgrd.jobs.constraints import compiled
from protocol.constraint_query import NESTED_MAX, parse
from protocol.errors import FormatError

A, B, C = ({"properties": [name]} for name in "abc")


@pytest.mark.parametrize(
    ("query", "constraint"),
    [
        ("a", A),
        ("a b", {"properties": ["a", "b"]}),
        ("a,b&c", {"properties": ["a", "b", "c"]}),
        ("a|b||c", {"or": [A, B, C]}),
        ("a or b&c", {"or": [A, {"properties": ["b", "c"]}]}),
        ("(a|b)&c", {"and": [{"or": [A, B]}, C]}),
        ("(a|-b)&c", {"and": [{"or": [A, {"not": [B]}]}, C]}),
        ("not not a", {"not": [{"not": [A]}]}),
        ("not (a|b) c", {"and": [{"not": [{"or": [A, B]}]}, C]}),
        ("^a", {"properties": ["^a"]}),
        ("host:x1 rank:0-3", {"and": [{"hostlist": ["x1"]}, {"ranks": ["0-3"]}]}),
        ("hosts:test[0-3,7]", {"hostlist": ["test[0-3,7]"]}),
        ("-hosts:'x y'", {"not": [{"hostlist": ["x y"]}]}),
        ('a "and" b', {"properties": ["a", "and", "b"]}),
        ("android", {"properties": ["android"]}),
    ],
)
def test_a_query_stands_for_a_constraint(query: str, constraint: dict[str, Any]) -> None:
    """The default operator is properties, as for flux submit --requires."""
    assert parse(query) == constraint


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("", "unexpected end"),
        ("a &", "unexpected end"),
        ("a | | b", "unexpected '|'"),
        ("a)", "unexpected ')'"),
        ("(a", "a parenthesis is not closed"),
        ("-(a|b)", "nothing follows '-'"),
        ("a 'b", "' is not closed"),
        ("color:red", "unknown operator 'color', expected properties, host"),
        ("'a|b'", "no property has '|' in its name"),
        ("hosts:", "nothing follows 'hosts:'"),
        ("(" * 99 + "a" + ")" * 99, "nested too deep"),
        ("not " * 99 + "a", "nested too deep"),
    ],
)
def test_what_is_no_query_is_refused_with_the_reason(query: str, text: str) -> None:
    """The query is shown."""
    with pytest.raises(FormatError) as caught:
        parse(query)
    assert str(caught.value).startswith("constraint ")
    assert text in str(caught.value)


@given(st.text("ab()|&- '^,", max_size=30))
def test_whatever_is_read_is_a_constraint(query: str) -> None:
    """Or it is refused, and nothing else happens."""
    try:
        found = parse(query)
    except FormatError:
        return
    compiled(found)


def test_the_deepest_query_is_a_constraint_that_a_daemon_takes() -> None:
    """Its own bound is the larger one."""
    compiled(parse("not " * NESTED_MAX + "a"))
