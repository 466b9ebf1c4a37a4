"""Two runs beside each other: what got worse by more than the noise.

A change counts when the medians differ by more than the wider of the two spreads (smallest to
largest sample), and by more than FLOOR of the old median: three samples may agree by chance.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from scripts.benchmark.figures import Figure
from scripts.benchmark.results import Results

FLOOR: Final = 0.03
SAMPLES: Final = 3
"""Fewer have no spread to speak of; such figures are not compared."""


class Change(Struct, frozen=True):
    """A figure in both runs, and the same of its limit, if it has one."""

    old: Figure
    new: Figure
    limit: "Change | None" = None

    @property
    def ratio(self) -> float:
        """The new median in terms of the old one; 1.0 if both are nothing."""
        if self.old.median == 0:
            return 1.0 if self.new.median == 0 else float("inf")
        return self.new.median / self.old.median

    @property
    def worse(self) -> bool:
        """Whether it got worse by more than the noise."""
        loss = self.new.median - self.old.median
        if self.old.more_is_better:
            loss = -loss
        return loss > max(self.old.spread, self.new.spread, FLOOR * abs(self.old.median))

    def __str__(self) -> str:
        text = (
            f"{self.new.part}: {self.new.name}: {self.old.median:,.5g} -> "
            f"{self.new.median:,.5g} {self.new.unit} ({self.ratio:.2f} of the earlier run"
        )
        return f"{text}, its limit {self.limit.ratio:.2f})" if self.limit else f"{text})"


def compare(old: Results, new: Results) -> list[Change]:
    """The figures that both runs have enough samples of, in the order of the new one.

    Limits go with the figures that stand beside them.
    """
    earlier = {f.key: f for f in old.figures if len(f.samples) >= SAMPLES}
    later = [f for f in new.figures if len(f.samples) >= SAMPLES]
    both = {f.key: Change(earlier[f.key], f) for f in later if f.key in earlier}
    limits = {(figure.part, figure.limit) for figure in new.figures}
    return [
        Change(change.old, change.new, both.get((change.new.part, change.new.limit)))
        for key, change in both.items()
        if key not in limits
    ]


def slower(changes: Sequence[Change]) -> list[Change]:
    """Those that got worse."""
    return [change for change in changes if change.worse]
