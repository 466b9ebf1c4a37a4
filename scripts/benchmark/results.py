"""The results of a run as they are kept: JSON for machines, read back for a comparison."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from scripts.benchmark.figures import Figure

VERSION: Final = 1


class ResultsError(Exception):
    """A file holds no results; the text says why."""


class Results(Struct, frozen=True):
    """A run: where and when, what was measured, and what was not."""

    started: str  # ISO 8601, UTC
    quick: bool
    seconds: float
    machine: Mapping[str, str]
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()
    failed: bool = False
    version: int = VERSION


def save(results: Results, path: Path) -> None:
    """Write results as JSON that a person can read, too."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")


def load(path: Path) -> Results:
    """Read results.

    Raises:
        ResultsError: the file cannot be read, or is something else.
    """
    try:
        results = msgspec.json.decode(path.read_bytes(), type=Results)
    except (OSError, msgspec.DecodeError) as error:
        raise ResultsError(f"{path}: {error}") from error
    if results.version != VERSION:
        raise ResultsError(f"{path}: version {results.version}, expected {VERSION}")
    return results
