"""What hooks may answer; anything else is refused by name, as if the plugin had not spoken."""

import inspect
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, TypeAlias

from msgspec import Struct

from protocol.job import PRIORITY_MAX, PRIORITY_MIN

TEXT_MAX: Final = 1024
"""Characters of a text for a user, or of a description."""


class Answer(Enum):
    """To a dependency whose scheme the plugin knows."""

    ACCEPT = "met already"
    HOLD = "waits until the plugin releases it"


ACCEPT: Final = Answer.ACCEPT
HOLD: Final = Answer.HOLD


class Refuse(Struct, frozen=True):
    """A dependency that is wrong; the text is for the user."""

    text: str


Check: TypeAlias = Callable[[Any], str]
"""What was expected instead of a value; "" if it is right."""


def check(hook: str, value: object) -> None:
    """Refuse a value that makes no sense.

    Raises:
        TypeError: naming the hook, the value and what was expected.
    """
    if value is None:
        return
    expected = _EXPECTED[hook](value)
    if expected:
        if inspect.iscoroutine(value):
            value.close()  # else it would complain that nobody awaits it
        shown = repr(value)
        raise TypeError(f"{hook} returned {shown[:64]}, expected {expected}")


def _nothing(_value: object) -> str:
    return "None"


def _text(value: object) -> str:
    right = isinstance(value, str) and 0 < len(value) <= TEXT_MAX and value.isprintable()
    return "" if right else f"a line of text (1 to {TEXT_MAX} characters) or None"


def _priority(value: object) -> str:
    right = (
        isinstance(value, int)
        and not isinstance(value, bool)
        and PRIORITY_MIN <= value <= PRIORITY_MAX
    )
    return "" if right else f"an integer from {PRIORITY_MIN} to {PRIORITY_MAX}, or None"


def _answer(value: object) -> str:
    if isinstance(value, Answer) or (isinstance(value, Refuse) and not _text(value.text)):
        return ""
    return "ACCEPT, HOLD, Refuse with a line of text, or None"


def _verdict(value: object) -> str:
    right = value is not HOLD and not _answer(value)
    return "" if right else "ACCEPT, Refuse with a line of text, or None"


_EXPECTED: Final[Mapping[str, Check]] = {
    "validate": _text,
    "priority": _priority,
    "dependency": _answer,
    "update": _verdict,
    "hold": _text,
    "job_new": _nothing,
    "job_lost": _nothing,
    "job_state": _nothing,
    "job_update": _nothing,
    "inactive_add": _nothing,
    "inactive_remove": _nothing,
}
