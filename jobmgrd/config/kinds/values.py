"""A kind of value, and what all kinds are read from: booleans, strings, numbers, arrays, tables.

Every function here takes a TOML or JSON value. A value of another type is a TypeError, worded as
Flux words it ("Expected string, got integer"), since these are the words that its users search
for; one that is wrong otherwise is a ValueError.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct

_TYPE_NAMES: Final = (
    (bool, "boolean"),  # before int, which it is in Python
    (int, "integer"),
    (float, "real"),
    (str, "string"),
    (Mapping, "table"),
    (Sequence, "array"),
    (type(None), "null"),
)


class Kind(Struct, frozen=True):
    """A kind of value: its reader, and what a person is told to write instead of a wrong one."""

    expected: str
    read: Callable[[object], object]


def type_name(value: object) -> str:
    """What TOML and JSON call the type of a value."""
    return next(
        (name for type_, name in _TYPE_NAMES if isinstance(value, type_)), type(value).__name__
    )


def _read_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"Expected true or false, got {type_name(value)}")
    return value


def _read_table(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise TypeError(f"Expected table, got {type_name(value)}")
    return value


def string(value: object) -> str:
    """A string."""
    if not isinstance(value, str):
        raise TypeError(f"Expected string, got {type_name(value)}")
    return value


def integer(value: object, low: int, high: int) -> int:
    """An integer within bounds."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"Expected integer, got {type_name(value)}")
    if value < low:
        raise ValueError(f"must be >= {low}")
    if value > high:
        raise ValueError(f"must be <= {high}")
    return value


def array(value: object) -> Sequence[object]:
    """An array."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"Expected array, got {type_name(value)}")
    return value


def filled(array: Sequence[object]) -> Sequence[object]:
    """The array, which must hold something."""
    if not array:
        raise ValueError("array is empty")
    return array


FLAG: Final = Kind("true or false", _read_flag)
TABLE: Final = Kind("a table", _read_table)
