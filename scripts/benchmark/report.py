"""The table at the end: every figure, its spread, and the limit measured beside it."""

from collections.abc import Sequence

from rich import box
from rich.table import Table

from scripts.benchmark.comparison import Change, slower
from scripts.benchmark.figures import Figure, limit_of
from scripts.benchmark.results import Results


def table(results: Results) -> Table:
    """All figures; those that are limits stand in the last columns only."""
    shown = Table(
        title="medians, beside a limit that the bare machine set in the same run", box=box.SIMPLE
    )
    shown.add_column("figure", overflow="fold")
    for heading in ("median", "min - max", "n", "limit", "ratio"):
        shown.add_column(heading, justify="right", no_wrap=True)
    shown.add_column("the limit is", overflow="fold")
    limits = {(figure.part, figure.limit) for figure in results.figures}
    part = ""
    for figure in results.figures:
        if figure.key in limits:
            continue
        if figure.part != part:
            part = figure.part
            shown.add_section()
            shown.add_row(part, style="bold")
        shown.add_row(*_row(figure, results.figures))
    return shown


def _row(figure: Figure, figures: Sequence[Figure]) -> list[str]:
    limit = limit_of(figure, figures)
    cells = [
        f"  {figure.name}",
        f"{number(figure.median)} {figure.unit}",
        f"{number(figure.low)} - {number(figure.high)}",
        str(len(figure.samples)),
    ]
    if limit is None:
        return [*cells, "", "", ""]
    ratio = f"{figure.median / limit.median:.2f}" if limit.median else ""
    return [*cells, f"{number(limit.median)} {limit.unit}", ratio, limit.name.rpartition(": ")[2]]


def number(value: float) -> str:
    """Three digits that matter, or all of a large number's integer part."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2  # noqa: PLR2004
    return f"{value:,.{digits}f}"


def verdict(changes: Sequence[Change]) -> list[str]:
    """What a comparison says, a line each."""
    worse = slower(changes)
    if not changes:
        return ["the earlier run has none of these figures"]
    if not worse:
        return [f"none of {len(changes)} figures got worse by more than the spread"]
    return [
        f"{len(worse)} of {len(changes)} figures got worse by more than the spread:",
        *(f"  {change}" for change in worse),
    ]
