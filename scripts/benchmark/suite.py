"""Carries the parts out: repeats their cases in turns and gathers what they read.

The cases of a part take turns, so that a machine whose speed changes changes all of them, the
limits too.
"""

import time
from collections.abc import Callable, Sequence

from msgspec import Struct

from scripts.benchmark.errors import MeasurementError, SkipError
from scripts.benchmark.figures import Figure, Reading, gather
from scripts.benchmark.run import Part, Run


class Measured(Struct, frozen=True):
    """What a part gave: figures, and a note for each thing that was not measured."""

    figures: list[Figure]
    notes: list[str]
    failed: bool  # something went wrong, other than that time or the machine did not suffice


def steps(parts: Sequence[Part], run: Run) -> int:
    """The number of repetitions of these parts."""
    return sum(c.repeats(quick=run.quick) for part in parts for c in part.cases(run))


def measure(part: Part, run: Run, progress: Callable[[str, int], None]) -> Measured:
    """Measure a part within its time.

    `progress` is called with what begins and the number of repetitions finished or given up
    since the last call.
    """
    cases = list(part.cases(run))
    deadline = time.monotonic() + part.seconds(quick=run.quick)
    readings: list[Reading] = []
    given_up: list[tuple[str, MeasurementError]] = []
    for turn in range(max(case.repeats(quick=run.quick) for case in cases)):
        for case in list(cases):
            left = case.repeats(quick=run.quick) - turn
            if left <= 0:
                continue
            title = f"{part.name}: {case.name}"
            progress(title, 0)
            try:
                if time.monotonic() > deadline:
                    raise SkipError(f"out of time after {turn} repetitions")
                readings.extend(case.measure(run))
                progress(title, 1)
            except MeasurementError as error:
                given_up.append((title, error))
                cases.remove(case)
                progress(title, left)
    return Measured(
        gather(part.name, readings),
        [f"{title}: {error}" for title, error in given_up],
        any(not isinstance(error, SkipError) for _, error in given_up),
    )
