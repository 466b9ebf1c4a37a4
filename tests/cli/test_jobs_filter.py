"""The options of `jobmgr jobs` as constraints of RFC 43."""

import os
from typing import Any

import click
import pytest
from click.testing import CliRunner

from jobmgrd.cli.listing.filter import Filter, filter_options
from protocol import constraint_reader

MINE = {"userid": [os.getuid()]}
ACTIVE, INACTIVE = {"states": [62]}, {"states": [64]}


def constraint(*words: str) -> list[Any]:
    """The terms that options become."""
    seen: list[Filter] = []

    @click.command()
    @filter_options
    def command(**options: Any) -> None:  # noqa: ANN401
        seen.append(Filter(**options))

    result = CliRunner().invoke(command, words)
    assert result.exit_code == 0, result.output
    found = seen[0].constraint()
    constraint_reader.parse(found)
    terms: list[Any] = found["and"]
    return terms


@pytest.mark.parametrize(
    ("words", "terms"),
    [
        ([], [ACTIVE, MINE]),
        (["-a"], [{"states": [126]}, MINE]),
        (["-A"], [ACTIVE]),
        (["-u", "all"], [ACTIVE]),
        (["-u", "17"], [ACTIVE, {"userid": [17]}]),
        (["-f", "pending"], [{"states": [14]}, MINE]),
        (["-f", "R,cleanup", "-f", "S"], [{"states": [56]}, MINE]),
        (["-f", "failed,TO"], [{"results": [10]}, MINE]),
        (["-f", "run,completed"], [{"or": [{"states": [16]}, {"results": [1]}]}, MINE]),
        (["--name", "x", "-q", "a,b", "-q", "c"], [ACTIVE, MINE, {"name": ["x"]}, ...]),
        (["-i", "0-3"], [ACTIVE, {"ranks": ["0-3"]}]),
        (["-i", "n[1-2]", "-u", "7"], [ACTIVE, {"userid": [7]}, {"hostlist": ["n[1-2]"]}]),
        (
            ["--since", "2026-01-01T00:00Z"],
            [{"states": [126]}, MINE, {"or": [ACTIVE, {"t_inactive": [">=1767225600.0"]}]}],
        ),
        (
            ["--before", "2026-01-01T00:00Z"],
            [INACTIVE, MINE, {"t_inactive": ["<1767225600.0"]}],
        ),
    ],
    ids=str,
)
def test_options_become_a_constraint(words: list[str], terms: list[Any]) -> None:
    """Your active jobs unless others are asked for; all options must hold."""
    found = constraint(*words)
    if terms[-1] is ...:
        terms = [*terms[:-1], {"queue": ["a", "b", "c"]}]
    assert found == terms
