"""The benchmark suite's own logic: arguments, statistics, turns, comparison; not its figures."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from scripts.benchmark import __main__ as command
from scripts.benchmark import comparison, picture, report, results, suite
from scripts.benchmark.errors import MeasurementError, SkipError
from scripts.benchmark.figures import Figure, Reading, gather, percentile
from scripts.benchmark.parts import PARTS
from scripts.benchmark.results import Results, ResultsError
from scripts.benchmark.run import Case, Part, Run

SECONDS = 60.0


def figure(
    *samples: float, name: str = "rate", unit: str = "job/s", limit: str = "", part: str = "p"
) -> Figure:
    """A figure."""
    return Figure(part, name, unit, samples, limit)


def run_of(*figures: Figure) -> Results:
    """A run that measured these."""
    return Results("2024-01-01T00:00:00+00:00", True, 1.0, {}, figures)


def part_of(*cases: Case, bound: float = SECONDS) -> Part:
    """A part with these cases."""
    return Part("p", "a part of a test", lambda _run: cases, bound, quick_bound=bound)


def case(measure: Callable[[], float], name: str = "rate", *, slow: bool = False) -> Case:
    """A case that reads one number."""

    def readings(_run: Run) -> Sequence[Reading]:
        return [Reading(name, measure(), "job/s")]

    return Case(name, readings, slow)


# --- statistics -----------------------------------------------------------------------------


@given(st.lists(st.floats(allow_nan=False), min_size=1), st.floats(0, 100))
def test_percentile_is_the_smallest_sample_that_enough_samples_do_not_exceed(
    samples: list[float], percent: float
) -> None:
    """It is a sample, and one that is smaller would leave too many above it."""
    value = percentile(samples, percent)
    needed = max(math.ceil(len(samples) * percent / 100), 1)
    assert value in samples
    assert sum(sample <= value for sample in samples) >= needed
    assert sum(sample < value for sample in samples) < needed


def test_percentile_of_nothing_is_refused() -> None:
    """A figure without samples would be a lie."""
    with pytest.raises(ValueError, match="no samples"):
        percentile([], 50)


def test_readings_of_one_name_become_one_figure_in_the_order_of_the_first() -> None:
    """The table keeps the order in which a part tells its readings."""
    readings = [Reading(n, v, "s", "b" if n == "a" else "") for n, v in [("a", 3), ("b", 1)] * 2]
    readings.append(Reading("a", 1, "s", "b"))
    a, b = gather("p", readings)
    assert (a.key, a.samples, a.limit) == (("p", "a"), (3, 3, 1), "b")
    assert (b.key, b.samples) == (("p", "b"), (1, 1))
    assert (a.median, a.low, a.high, a.spread) == (3, 1, 3, 2)


# --- comparison -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "old", "new", "worse"),
    [
        ("job/s", (100, 110, 120), (60, 70, 80), True),
        ("job/s", (60, 70, 80), (100, 110, 120), False),
        ("ms", (1.0, 1.1, 1.2), (2.0, 2.1, 2.2), True),
        ("ms", (2.0, 2.1, 2.2), (1.0, 1.1, 1.2), False),
        ("job/s", (100, 110, 180), (60, 70, 80), False),  # the earlier spread is wider
        ("job/s", (100, 110, 120), (60, 70, 180), False),  # the later one is
        ("MiB", (100, 100, 100), (102, 102, 102), False),  # agree by chance
        ("MiB", (100, 100, 100), (104, 104, 104), True),
    ],
)
def test_a_figure_is_worse_only_by_more_than_the_spread(
    unit: str, old: Sequence[float], new: Sequence[float], worse: bool
) -> None:
    """The unit tells the bad direction; the wider of both spreads, and a floor, is noise."""
    changes = comparison.compare(run_of(figure(*old, unit=unit)), run_of(figure(*new, unit=unit)))
    assert [change.worse for change in changes] == [worse]


def test_what_is_not_in_both_runs_is_not_compared_and_limits_go_with_their_figures() -> None:
    """A slower machine is told beside the figure, and is no regression of its own."""
    old = run_of(
        figure(*[100] * 3, limit="bare"),
        figure(*[400] * 3, name="bare"),
        figure(*[5] * 3, name="gone"),
        figure(5, 5, name="two samples"),
    )
    new = run_of(
        figure(*[50] * 3, limit="bare"),
        figure(*[100] * 3, name="bare"),
        figure(*[5] * 3, name="two samples"),
    )
    (change,) = comparison.compare(old, new)
    assert str(change) == "p: rate: 100 -> 50 job/s (0.50 of the earlier run, its limit 0.25)"


def test_the_verdict_names_what_got_worse() -> None:
    """Its lines are what CI shows."""
    old = run_of(figure(*[100] * 3), figure(*[10] * 3, name="other"))
    new = run_of(figure(*[50] * 3), figure(*[10] * 3, name="other"))
    first, second = report.verdict(comparison.compare(old, new))
    assert first == "1 of 2 figures got worse by more than the spread:"
    assert second.startswith("  p: rate: 100 -> 50")


# --- results --------------------------------------------------------------------------------


def test_results_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    """JSON carries everything that a comparison needs."""
    kept = run_of(figure(1.5, 2.5, limit="bare"))
    results.save(kept, tmp_path / "results.json")
    assert results.load(tmp_path / "results.json") == kept


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    """The error names the file."""
    path = tmp_path / "other.json"
    path.write_text('{"started": 1}')
    with pytest.raises(ResultsError, match=r"other\.json"):
        results.load(path)


def test_the_table_shows_limits_beside_their_figures_only() -> None:
    """A limit is a column, not a row; the ratio says how near it is."""
    shown = report.table(run_of(figure(50, limit="bare"), figure(200, name="bare")))
    printer = Console(width=120)
    with printer.capture() as capture:
        printer.print(shown)
    rows = [" ".join(line.split()) for line in capture.get().splitlines() if "job/s" in line]
    assert rows == ["rate 50.0 job/s 50.0 - 50.0 1 200 job/s 0.25 bare"]


def test_the_picture_orders_points_by_the_jobs_kept() -> None:
    """Names carry the x axis."""
    names = ["job/s, 100,000 kept", "job/s, 0 kept", "memory, 0 kept"]
    figures = [figure(n, name=name, part="curve") for n, name in enumerate(names)]
    figures.append(figure(9, name="job/s, 5 kept", part="other"))
    points = [(kept, shown.median) for kept, shown in picture.line(figures, "job/s")]
    assert points == [(0, 1), (100_000, 0)]


# --- carrying out ---------------------------------------------------------------------------


def test_cases_take_turns_and_progress_adds_up(tmp_path: Path) -> None:
    """A machine that slows down slows all cases, and the bar ends where it should."""
    order: list[str] = []
    steps: list[int] = []

    def read(name: str) -> float:
        order.append(name)
        return 1.0

    cases = [case(partial(read, name), name) for name in "ab"]
    run = Run(tmp_path, quick=True)
    measured = suite.measure(part_of(*cases), run, lambda _text, n: steps.append(n))
    assert "".join(order) == "ababab"
    assert [f.samples for f in measured.figures] == [(1.0,) * 3] * 2
    assert sum(steps) == suite.steps([part_of(*cases)], run)


def test_a_full_run_repeats_slow_cases_less(tmp_path: Path) -> None:
    """Three are enough for a median, five are better."""
    run = Run(tmp_path, quick=False)
    cases = case(lambda: 1.0, "fast"), case(lambda: 1.0, "slow", slow=True)
    measured = suite.measure(part_of(*cases), run, lambda _text, _n: None)
    assert {f.name: len(f.samples) for f in measured.figures} == {"fast": 5, "slow": 3}


@pytest.mark.parametrize(("error", "failed"), [(SkipError, False), (MeasurementError, True)])
def test_a_case_that_cannot_be_measured_is_noted_and_others_go_on(
    tmp_path: Path, error: type[MeasurementError], failed: bool
) -> None:
    """What the machine lacks is a note; what went wrong is a failure, too."""

    def raises() -> float:
        raise error("no luck")

    steps: list[int] = []
    part = part_of(case(raises, "bad"), case(lambda: 1.0, "good"))
    run = Run(tmp_path, quick=True)
    measured = suite.measure(part, run, lambda _text, n: steps.append(n))
    assert [f.name for f in measured.figures] == ["good"]
    assert measured.notes == ["p: bad: no luck"]
    assert measured.failed is failed
    assert sum(steps) == suite.steps([part], run)


def test_no_repetition_begins_once_the_time_of_a_part_is_over(tmp_path: Path) -> None:
    """A slow machine gives fewer samples and says so, instead of taking an hour."""
    part = part_of(case(lambda: 1.0), bound=-1.0)
    measured = suite.measure(part, Run(tmp_path, quick=True), lambda _text, _n: None)
    assert measured.figures == []
    assert measured.notes == ["p: rate: out of time after 0 repetitions"]
    assert not measured.failed


# --- the command ----------------------------------------------------------------------------


def invoke(tmp_path: Path, *argv: str) -> Result:
    """Run the command."""
    output = ["--output", str(tmp_path / "out"), "--directory", str(tmp_path)]
    return CliRunner().invoke(command.main, [*output, *argv])


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the only part will read, first to last; nothing more is a failure."""
    values: list[float] = []

    def measure() -> float:
        if not values:
            raise MeasurementError("nothing to read")
        return values.pop(0)

    monkeypatch.setattr(command, "PARTS", [part_of(case(measure))])
    monkeypatch.setattr("scripts.benchmark.run._IN_MEMORY", ())  # tests may run in memory
    return values


def test_the_parts_are_listed_without_measuring(tmp_path: Path) -> None:
    """One line a part: its name, and what it measures."""
    lines = invoke(tmp_path, "--list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == [part.name for part in PARTS]
    assert not (tmp_path / "out").exists()


def test_an_unknown_part_is_refused_and_the_known_ones_named(tmp_path: Path) -> None:
    """A typing error must not cost half an hour."""
    refused = invoke(tmp_path, "purge", "thruput")
    assert refused.exit_code == 2
    assert "no part 'thruput'; there are throughput," in refused.stderr


def test_parts_are_measured_in_the_order_of_the_suite() -> None:
    """However they are asked for; none means all."""
    assert [part.name for part in command.select(["purge", "throughput"])] == [
        "throughput",
        "purge",
    ]
    assert command.select([]) == list(PARTS)


@pytest.mark.parametrize(("quick", "seconds"), [(True, 115), (False, 1800)])
def test_the_parts_times_add_up_to_what_is_promised(quick: bool, seconds: float) -> None:
    """Beyond its time a part begins no repetition."""
    assert sum(part.seconds(quick=quick) for part in PARTS) <= seconds


def test_a_missing_earlier_file_is_found_before_anything_is_measured(tmp_path: Path) -> None:
    """It is named."""
    refused = invoke(tmp_path, "--against", str(tmp_path / "none.json"))
    assert refused.exit_code == 2
    assert "none.json" in refused.stderr
    assert not (tmp_path / "out").exists()


def test_a_run_is_kept_and_the_next_one_is_compared_with_it(
    tmp_path: Path, rates: list[float]
) -> None:
    """Exit 0 without a regression, exit 1 and its name with one, the same file may be replaced."""
    rates += [100.0, 101.0, 102.0]
    assert invoke(tmp_path, "--quick").exit_code == 0
    kept = tmp_path / "out" / "results.json"
    assert results.load(kept).figures == (figure(100.0, 101.0, 102.0),)
    rates += [99.0, 100.0, 101.0]
    assert invoke(tmp_path, "--quick", "--against", str(kept)).exit_code == 0
    rates += [50.0, 51.0, 52.0]
    worse = invoke(tmp_path, "--quick", "--against", str(kept))
    assert worse.exit_code == 1
    assert "p: rate: 100 -> 51 job/s" in worse.stdout


def test_a_measurement_that_fails_ends_the_command_with_2(
    tmp_path: Path, rates: list[float]
) -> None:
    """What was measured is kept nevertheless."""
    rates += [100.0]
    failed = invoke(tmp_path, "--quick")
    assert failed.exit_code == 2
    assert "not measured: p: rate: nothing to read" in failed.stdout
    assert results.load(tmp_path / "out" / "results.json").failed
