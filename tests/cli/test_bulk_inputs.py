"""Inputs of bulksubmit: lists and their combinations, and the places that they are filled in at."""

from collections.abc import Sequence

import pytest

from jobmgrd.cli.submission.inputs import Source, combinations, fill, split


def none(name: str) -> Sequence[str]:
    """There are no files."""
    raise AssertionError(name)


def jobs(*words: str) -> list[tuple[str, ...]]:
    """The inputs of each job."""
    return list(combinations(split(words, none)))


def test_lists_are_combined_each_with_each() -> None:
    """The last one changes fastest; those that are linked go along, again from their begin."""
    assert jobs(":::", "1", "2") == [("1",), ("2",)]
    assert jobs(":::", "1", "2", ":::", "a", "b") == [
        ("1", "a"),
        ("1", "b"),
        ("2", "a"),
        ("2", "b"),
    ]
    assert jobs(":::", "1", "2", "3", ":::+", "a", "b") == [("1", "a"), ("2", "b"), ("3", "a")]
    assert jobs(":::+", "a", ":::", "1", "2") == [("a", "1"), ("a", "2")]
    assert jobs(":::") == []


def test_a_file_has_inputs() -> None:
    """One is named after the mark."""
    files = {"f": ["x", "y"]}
    assert split(["::::", "f", "::::+", "f"], files.__getitem__) == [
        Source(["x", "y"], linked=False),
        Source(["x", "y"], linked=True),
    ]
    with pytest.raises(ValueError, match="one file is to be named after ::::"):
        split(["::::", "f", "g"], files.__getitem__)


@pytest.mark.parametrize("words", [(":::+", "a"), (":::", "1", ":::+")])
def test_a_list_that_goes_along_with_none_is_refused(words: Sequence[str]) -> None:
    """Or has nothing to go along with."""
    with pytest.raises(ValueError, match="goes along with one after"):
        jobs(*words)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{}", "d/a.tar.gz"),
        ("{}={}", "d/a.tar.gz=B"),
        ("{0.%}", "d/a.tar"),
        ("{./}-{1}", "a.tar.gz-B"),
        ("{.//}", "d"),
        ("{./%}", "a.tar"),
        ("{seq}/{seq1}", "7/8"),
        ("{cc} {{id}} ${HOME} {print $1} {0.x} {x}", "{cc} {{id}} ${HOME} {print $1} {0.x} {x}"),
    ],
)
def test_places_are_filled_in(text: str, filled: str) -> None:
    """As flux bulksubmit does it; braces that are none of ours stay."""
    assert fill(text, ("d/a.tar.gz", "B"), 7) == filled


def test_one_input_is_meant_by_all_places_without_a_number() -> None:
    """And one that is not there is named."""
    assert fill("{} {}", ("x",), 0) == "x x"
    with pytest.raises(ValueError, match=r"there is no input 1, only 1 from 0"):
        fill("{1}", ("x",), 0)
