"""What bulksubmit is given to fill in: lists of inputs, all combinations of them, and the places.

    COMMAND ::: A B ::: C D     four combinations            :::+ C D    linked: A with C, B with D
    COMMAND :::: FILE           inputs from a file, - is stdin           ::::+ FILE   both

    {} {0} {1}                  an input          {.%} {0.%}    without its extension
    {./} {.//}                  its base name, its directory     {./%}  base name without extension
    {seq} {seq1}                the number of the combination, from 0 or 1

Other braces stay as they are, {cc} and {{id}} among them.
"""

import itertools
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

Read = Callable[[str], Sequence[str]]
"""The inputs of a file, by its name."""

_MARK: Final = re.compile(r":::(:?)(\+?)")
_PLACE: Final = re.compile(
    r"(?<!\{)\{(?:(?P<index>\d{1,4})?(?:\.(?P<part>%|//|/%|/))?|(?P<seq>seq1?))\}(?!\})"
)
_PARTS: Final[Mapping[str | None, Callable[[str], str]]] = {
    None: str,
    "%": lambda text: os.path.splitext(text)[0],  # noqa: PTH122 - text, whether or not a path
    "/": os.path.basename,
    "//": os.path.dirname,
    "/%": lambda text: os.path.basename(os.path.splitext(text)[0]),  # noqa: PTH119, PTH122
}


class Source(NamedTuple):
    """A list of inputs; one that is linked goes along with the others, again from its begin."""

    inputs: Sequence[str]
    linked: bool


def is_mark(word: str) -> bool:
    """Whether a word is one before a list of inputs."""
    return _MARK.fullmatch(word) is not None


def split(words: Sequence[str], read: Read) -> list[Source]:
    """The sources on a command line, from the first mark on.

    Raises:
        ValueError: a file is not named, or more than one is.
    """
    starts = [n for n, word in enumerate(words) if is_mark(word)]
    sources = []
    for start, end in itertools.pairwise([*starts, len(words)]):
        mark, given = words[start], words[start + 1 : end]
        from_file = mark.startswith("::::")
        if from_file and len(given) != 1:
            raise ValueError(f"one file is to be named after {mark}")
        sources.append(Source(read(given[0]) if from_file else given, mark.endswith("+")))
    return sources


def combinations(sources: Sequence[Source]) -> Iterator[tuple[str, ...]]:
    """The inputs of each job, one of each source, in the order of the sources.

    Raises:
        ValueError: all sources are linked, or one that is has no inputs.
    """
    free = [source.inputs for source in sources if not source.linked]
    if not free or not all(source.inputs for source in sources if source.linked):
        raise ValueError("a list after :::+ goes along with one after :::, and is not empty")
    links = [itertools.cycle(source.inputs) for source in sources if source.linked]
    for combination in itertools.product(*free):
        chosen, linked = iter(combination), iter(links)
        yield tuple(next(next(linked)) if s.linked else next(chosen) for s in sources)


def fill(text: str, inputs: Sequence[str], seq: int) -> str:
    """A word of the template, for one job.

    Raises:
        ValueError: it asks for an input that there is not.
    """
    unnumbered = itertools.count()

    def value(found: re.Match[str]) -> str:
        if found["seq"]:
            return str(seq + (found["seq"] == "seq1"))
        index = next(unnumbered) if found["index"] is None else int(found["index"])
        if len(inputs) == 1 and found["index"] is None:
            index = 0
        if index >= len(inputs):
            raise ValueError(f"{text!r}: there is no input {index}, only {len(inputs)} from 0")
        return _PARTS[found["part"]](inputs[index])

    return _PLACE.sub(value, text)
