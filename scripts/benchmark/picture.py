"""The picture: throughput, memory and restart over the number of jobs kept, beside the limits."""

import importlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from scripts.benchmark.figures import Figure, limit_of

Points: TypeAlias = Sequence[tuple[int, Figure]]

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
        _plot(panel, points, what, "C0o-")
        # an axis of its own: what matters is whether both have the same shape
        _plot_limit(panel.twinx(), points, figures)
        if what == _PANELS[0] and (flux := line(figures, f"flux-core {what}")):
            panel.plot(*zip(*((kept, f.median) for kept, f in flux), strict=True), "C2^-")
            panel.set_title("green: flux-core", fontsize="small")
        panel.grid(alpha=0.3)
    panels[-1, 0].set_xlabel("inactive jobs kept")
    panels[-1, 0].set_xscale("symlog", linthresh=_LINEAR_BELOW)
    panels[-1, 0].minorticks_off()
    kept = sorted({n for points in lines.values() for n, _ in points})
    panels[-1, 0].set_xlim(-_LINEAR_BELOW / 4, 1.5 * kept[-1] + _LINEAR_BELOW)
    panels[-1, 0].set_xticks(kept, [f"{n:,}" for n in kept], rotation=20)
    paths = [directory / "curve.svg", directory / "curve.png"]
    for path in paths:
        drawing.savefig(path, dpi=120)
    pyplot.close(drawing)
    return paths


def line(figures: Sequence[Figure], what: str) -> Points:
    """The figures that are named "WHAT, N kept", with N, in its order."""
    found = [(_KEPT.fullmatch(figure.name), figure) for figure in figures if figure.part == "curve"]
    points = [
        (int(name["kept"].replace(",", "")), figure)
        for name, figure in found
        if name and name["what"] == what
    ]
    return sorted(points, key=lambda point: point[0])


def _plot_limit(panel: Any, points: Points, figures: Sequence[Figure]) -> None:  # noqa: ANN401
    """The limit of each point, if the points have one."""
    limits = [(kept, limit_of(figure, figures)) for kept, figure in points]
    measured = [(kept, limit) for kept, limit in limits if limit is not None]
    if measured:
        _plot(panel, measured, _KEPT.sub(r"\g<what>", measured[0][1].name), "C1s--")


def _plot(panel: Any, points: Points, label: str, style: str) -> None:  # noqa: ANN401
    """Medians with their spread, on an axis that begins at nothing and has the line's colour."""
    medians = [figure.median for _, figure in points]
    below = [figure.median - figure.low for _, figure in points]
    above = [figure.high - figure.median for _, figure in points]
    kept = [kept for kept, _ in points]
    panel.errorbar(kept, medians, yerr=[below, above], fmt=style, capsize=3)
    panel.set_ylim(bottom=0, top=1.1 * max(figure.high for _, figure in points))
    unit = points[0][1].unit
    panel.set_ylabel(label if label == unit else f"{label} [{unit}]", color=style[:2])
