"""The picture: throughput, memory and restart over the number of jobs kept, beside the limits."""

import importlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from scripts.benchmark.figures import Figure

_PANELS: Final = ("job/s", "memory", "restart")
_KEPT: Final = re.compile(r"(?P<what>.+), (?P<kept>[\d,]+) kept")
_LINEAR_BELOW: Final = 1000  # so that 0 has a place on a logarithmic axis


def draw(figures: Sequence[Figure], directory: Path) -> list[Path]:
    """Draw curve.svg and curve.png from the figures of the part "curve"; none: no picture."""
    lines = {what: line(figures, what) for what in _PANELS}
    lines = {what: points for what, points in lines.items() if points}
    if not lines:
        return []
    matplotlib: Any = importlib.import_module("matplotlib")  # in the group "bench" only
    matplotlib.use("Agg")
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    drawing, panels = pyplot.subplots(
        len(lines), 1, sharex=True, squeeze=False, figsize=(8, 3 * len(lines)), layout="constrained"
    )
    for panel, (what, points) in zip(panels[:, 0], lines.items(), strict=True):
        _plot(panel, points, "jobmgrd", "o-")
        if limit := points[0][1].limit:
            name = _KEPT.fullmatch(limit)
            what_limit = name["what"] if name else limit
            _plot(panel, line(figures, what_limit), what_limit, "s--")
        panel.set_xscale("symlog", linthresh=_LINEAR_BELOW)
        panel.set_ylim(bottom=0)
        panel.set_ylabel(f"{what} [{points[0][1].unit}]" if what != "job/s" else what)
        panel.grid(alpha=0.3)
        panel.legend()
    panels[-1, 0].set_xlabel("inactive jobs kept")
    paths = [directory / "curve.svg", directory / "curve.png"]
    for path in paths:
        drawing.savefig(path, dpi=120)
    pyplot.close(drawing)
    return paths


def line(figures: Sequence[Figure], what: str) -> list[tuple[int, Figure]]:
    """The figures that are named "WHAT, N kept", with N, in its order."""
    found = [(_KEPT.fullmatch(figure.name), figure) for figure in figures if figure.part == "curve"]
    points = [
        (int(name["kept"].replace(",", "")), figure)
        for name, figure in found
        if name and name["what"] == what
    ]
    return sorted(points, key=lambda point: point[0])


def _plot(panel: Any, points: Sequence[tuple[int, Figure]], label: str, style: str) -> None:  # noqa: ANN401 (matplotlib is optional)
    medians = [figure.median for _, figure in points]
    below = [figure.median - figure.low for _, figure in points]
    above = [figure.high - figure.median for _, figure in points]
    kept = [kept for kept, _ in points]
    panel.errorbar(kept, medians, yerr=[below, above], fmt=style, capsize=3, label=label)
