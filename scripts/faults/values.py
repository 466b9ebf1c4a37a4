"""Values that are nearly right: what a payload should not hold, in a place where it might."""

import random
from collections.abc import Sequence
from typing import Any, Final

ODD: Final[Sequence[Any]] = (
    None, True, -1, 0, 1, 2**31, 2**63 - 1, -(2**63), 2**64 - 1, 1e308, -0.0, float("nan"),
    float("inf"), "", "x" * 300, "\0", "ƒ", "\ud7ff", b"\xff\0", [], {}, [[]], {"": {}},
    [None] * 40,
)  # fmt: skip
"""Values that are of the wrong type, or at a limit."""


def wrong(dice: random.Random, value: Any) -> Any:  # noqa: ANN401 - any value of a payload
    """A value with one thing in it replaced, left out or added."""
    if isinstance(value, dict) and value and dice.random() < 0.9:  # noqa: PLR2004 - most of them
        key = dice.choice(list(value))
        what = dice.randrange(6)
        if what == 0:
            return {k: v for k, v in value.items() if k != key}
        if what == 1:
            return {**value, dice.choice(("", "x", "id", key.upper())): dice.choice(ODD)}
        return {**value, key: wrong(dice, value[key])}
    if isinstance(value, list) and value and dice.random() < 0.7:  # noqa: PLR2004 - most of them
        n = dice.randrange(len(value))
        return [*value[:n], wrong(dice, value[n]), *value[n + dice.randrange(2) :]]
    return dice.choice(ODD)
