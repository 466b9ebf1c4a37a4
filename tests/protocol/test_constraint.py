"""Constraints: RFC 43's operators, RFC 31's logic, limits, and texts that name the place."""

import json
from typing import Any

import pytest
from hypothesis import given

from protocol.constraint import (
    FALSE,
    TRUE,
    And,
    Constraint,
    Hosts,
    Names,
    Not,
    Or,
    Queues,
    Ranks,
    Results,
    States,
    Userids,
    When,
    encode,
)
from protocol.constraint_reader import DEPTH_MAX, HOSTS_MAX, OPERATORS_MAX, VALUES_MAX, parse
from protocol.errors import FormatError
from protocol.job import Result, State
from tests.random_jobs import CONSTRAINTS


@given(CONSTRAINTS)
def test_what_is_written_is_read_back(constraint: Constraint) -> None:
    """Encoding, JSON and parsing give the same tree."""
    assert parse(json.loads(json.dumps(encode(constraint)))) == constraint


@pytest.mark.parametrize(
    ("value", "constraint"),
    [
        (None, TRUE),
        ({}, TRUE),
        ({"and": []}, TRUE),
        ({"or": []}, Or()),
        ({"not": []}, FALSE),
        ({"userid": [42, 43]}, Userids(frozenset({42, 43}))),
        ({"userid": [42, -1]}, TRUE),
        ({"userid": [2**32 - 1]}, TRUE),
        ({"name": ["a"]}, Names(frozenset({"a"}))),
        ({"not": [{"queue": ["foobar"]}]}, Not((Queues(frozenset({"foobar"})),))),
        ({"states": ["depend", "PRIORITY", "s"]}, States(int(State.PENDING))),
        ({"states": ["pending", "ru", 64]}, States(int(State.ACTIVE | State.INACTIVE))),
        ({"results": ["completed", "TO", 2]}, Results(Result.COMPLETED | Result.TIMEOUT | 2)),
        ({"hostlist": ["n[0-2]", "m"]}, Hosts(frozenset({"n0", "n1", "n2", "m"}))),
        ({"ranks": ["0-2", "7"]}, Ranks(frozenset({0, 1, 2, 7}))),
        ({"t_submit": [">946713600.0"]}, When("t_submit", ">", 946713600.0)),
        ({"t_inactive": ["<=5"]}, When("t_inactive", "<=", 5.0)),
        (
            {"and": [{"userid": [1]}, {"or": [{"t_run": [">=1e3"]}, {}]}]},
            And((Userids(frozenset({1})), Or((When("t_run", ">=", 1000.0), TRUE)))),
        ),
    ],
)
def test_operators_are_read_as_rfc_43_has_them(value: Any, constraint: Constraint) -> None:  # noqa: ANN401
    """Each operator, the empty conditionals, names and numbers of states and results."""
    assert parse(value) == constraint


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([], "constraint must be JSON object"),
        ({"userid": [1], "name": ["a"]}, "constraint must only contain 1 element"),
        ({"userid": 1}, "operator userid values not an array (at userid)"),
        ({"name": "abc"}, "operator name values not an array (at name)"),
        ({"foo": []}, "unknown constraint operator: foo"),
        ({"and": [{}, {"foo": []}]}, "unknown constraint operator: foo (at and[1])"),
        ({"or": [1]}, "constraint must be JSON object (at or[0])"),
        ({"userid": ["me"]}, "userid value must be an integer (at userid[0])"),
        ({"userid": [True]}, "userid value must be an integer (at userid[0])"),
        ({"userid": [2**32]}, "userid value 4294967296 is out of range (at userid[0])"),
        ({"not": [{"name": ["a", 1]}]}, "name value must be a string (at not[0].name[1])"),
        ({"states": ["dancing"]}, "invalid states value 'dancing' specified (at states[0])"),
        ({"states": [128]}, "invalid states value '80h' specified (at states[0])"),
        ({"states": [1.5]}, "states value invalid type (at states[0])"),
        ({"results": [16]}, "invalid results value '10h' specified (at results[0])"),
        ({"hostlist": ["n[0"]}, "host value not in valid Hostlist format (at hostlist[0])"),
        ({"hostlist": [""]}, "host value not in valid Hostlist format (at hostlist[0])"),
        ({"ranks": ["1-0"]}, "ranks value '1-0': "),
        ({"t_run": []}, "timestamp value not specified (at t_run)"),
        ({"t_run": [1.0]}, "t_run value must be a string (at t_run[0])"),
        ({"t_run": ["1.0"]}, "timestamp comparison operator not specified (at t_run)"),
        ({"t_run": [">soon"]}, "Invalid timestamp value specified (at t_run)"),
        ({"t_run": [">inf"]}, "Invalid timestamp value specified (at t_run)"),
        ({"t_run": [">1_0"]}, "Invalid timestamp value specified (at t_run)"),
        ({"t_run": [">-1"]}, "timestamp value must be >= 0.0 (at t_run)"),
        ({"t_run": [">1", "<2"]}, "more than one timestamp value specified (at t_run)"),
    ],
)
def test_a_malformed_constraint_is_refused_with_its_place(value: Any, text: str) -> None:  # noqa: ANN401
    """flux-core's words, and where in the constraint they apply."""
    with pytest.raises(FormatError) as error:
        parse(value)
    assert str(error.value).startswith(text)


def _nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {"userid": [1]}
    for _ in range(depth - 1):
        value = {"not": [value]}
    return value


@pytest.mark.parametrize(
    ("fits", "too_much", "text"),
    [
        (_nested(DEPTH_MAX), _nested(DEPTH_MAX + 1), f"nested deeper than {DEPTH_MAX}"),
        (
            {"or": [{"userid": [n]} for n in range(OPERATORS_MAX - 1)]},
            {"or": [{"userid": [n]} for n in range(OPERATORS_MAX)]},
            f"more than {OPERATORS_MAX} operators",
        ),
        (
            {"userid": list(range(VALUES_MAX))},
            {"userid": list(range(VALUES_MAX + 1))},
            f"more than {VALUES_MAX} values",
        ),
        (
            {"hostlist": [f"n[1-{HOSTS_MAX}]"]},
            {"hostlist": [f"n[1-{HOSTS_MAX}]", "n1"]},
            "too many hosts specified",
        ),
        (
            {"hostlist": [f"n[1-{HOSTS_MAX}]"]},
            {"hostlist": [f"n[1-{HOSTS_MAX}]", "m"]},
            "too many hosts specified",
        ),
        (
            {"or": [{"ranks": [f"1-{HOSTS_MAX}"]}] * 3},
            {"or": [{"ranks": [f"1-{HOSTS_MAX}"]}] * 4},
            f"more than {VALUES_MAX} values",  # all that are named, and the operators' own
        ),
        (
            {"hostlist": ["n"] * HOSTS_MAX},
            {"hostlist": ["n"] * (HOSTS_MAX + 1)},  # each has to be read
            "too many hosts specified",
        ),
        (
            {"ranks": ["0"] * HOSTS_MAX},
            {"ranks": ["0"] * (HOSTS_MAX + 1)},
            "too many ranks specified",
        ),
        (
            {"ranks": [f"1-{HOSTS_MAX}"]},
            {"ranks": [f"0-{HOSTS_MAX}"]},
            "too many ranks specified",
        ),
    ],
)
def test_depth_and_width_are_bounded(
    fits: dict[str, Any], too_much: dict[str, Any], text: str
) -> None:
    """The limit itself is fine; one more is refused by name."""
    parse(fits)
    with pytest.raises(FormatError, match=text):
        parse(too_much)
