"""The command: selects parts, measures them, shows and keeps the results, compares them."""

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from scripts.benchmark import comparison, machine, picture, report, results, suite
from scripts.benchmark.errors import SkipError
from scripts.benchmark.figures import Figure
from scripts.benchmark.parts import PARTS
from scripts.benchmark.results import Results, ResultsError
from scripts.benchmark.run import Part, Run, workplace

WORSE: Final = 1
FAILED: Final = 2

PLAIN_WIDTH: Final = 120


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1, metavar="[PART]...")
@click.option("--quick", is_flag=True, help="Smaller histories; under two minutes.")
@click.option("--list", "listing", is_flag=True, help="List the parts and exit.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("bench-results"),
    show_default=True,
    help="Where results.json, curve.svg and curve.png go.",
)
@click.option(
    "--against",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Earlier results; name what got worse by more than the spread.",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Where stores are kept meanwhile; on a disk, not in memory.",
)
def main(
    names: Sequence[str],
    output: Path,
    against: Path | None,
    directory: Path | None,
    *,
    quick: bool,
    listing: bool,
) -> None:
    """Measure jobmgrd on this machine, all of it or these parts.

    Ends with 1 if a figure got worse than in --against, with 2 if one could not be measured.
    """
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    if listing:
        for part in PARTS:
            console.print(f"{part.name:12} {part.about}", highlight=False, soft_wrap=True)
        return
    parts = select(names)
    try:
        earlier = results.load(against) if against else None
    except ResultsError as error:
        raise click.BadParameter(str(error), param_hint="--against") from error
    try:
        with ended_by_sigterm(), workplace(directory) as place:
            measured = carry_out(parts, Run(place, quick=quick), place, console)
    except SkipError as error:
        raise click.ClickException(str(error)) from error
    show(measured, output, console)
    worse = earlier is not None and not compare(earlier, measured, console)
    if measured.failed or worse:
        sys.exit(FAILED if measured.failed else WORSE)


def select(names: Sequence[str]) -> list[Part]:
    """The parts with these names, in the suite's order; all if there are none.

    Raises:
        click.BadParameter: a name is no part's.
    """
    known = [part.name for part in PARTS]
    for name in names:
        if name not in known:
            raise click.BadParameter(f"no part {name!r}; there are {', '.join(known)}")
    return [part for part in PARTS if part.name in names or not names]


def carry_out(parts: Sequence[Part], run: Run, place: Path, console: Console) -> Results:
    """Measure these parts under a progress bar."""
    started, start = datetime.now(UTC), time.monotonic()
    figures: list[Figure] = []
    notes: list[str] = []
    failed = False
    # N.B. without a thread that refreshes: nothing of this process runs during a repetition
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, TimeElapsedColumn(), console=console, auto_refresh=False) as bar:
        task = bar.add_task("", total=suite.steps(parts, run))

        def progress(text: str, steps: int) -> None:
            bar.update(task, advance=steps, description=f"{text[:48]:48}", refresh=True)

        for part in parts:
            begin = time.monotonic()
            measured = suite.measure(part, run, progress)
            figures += measured.figures
            notes += measured.notes
            failed |= measured.failed
            console.print(f"{part.name}: {time.monotonic() - begin:.0f} s", highlight=False)
    return Results(
        started.isoformat(timespec="seconds"),
        run.quick,
        time.monotonic() - start,
        machine.describe(place),
        tuple(figures),
        tuple(notes),
        failed,
    )


def show(measured: Results, output: Path, console: Console) -> None:
    """Print the table, write JSON and picture."""
    console.print(report.table(measured))
    for note in measured.notes:
        console.print(f"not measured: {note}", highlight=False, markup=False)
    output.mkdir(parents=True, exist_ok=True)
    path = output / "results.json"
    results.save(measured, path)
    try:
        paths = [path, *picture.draw(measured.figures, output)]
    except ImportError:
        console.print("no picture: matplotlib is missing; scripts/venv bench installs it")
        paths = [path]
    console.print(f"{measured.seconds:.0f} s; wrote {', '.join(map(str, paths))}", soft_wrap=True)


def compare(earlier: Results, measured: Results, console: Console) -> bool:
    """Say what got worse; whether nothing did."""
    if earlier.machine != measured.machine:
        differ = [k for k, v in measured.machine.items() if earlier.machine.get(k) != v]
        console.print(f"the earlier run had another {', '.join(differ)}", highlight=False)
    if earlier.quick != measured.quick:
        console.print("one of the two runs was quick: their sizes differ")
    changes = comparison.compare(earlier, measured)
    for line in report.verdict(changes):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    return not comparison.slower(changes)


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM do as Ctrl-C: end all processes that were started, remove what was written."""

    def interrupt(_signum: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    main(prog_name="scripts/bench")
