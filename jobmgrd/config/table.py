"""What tables are made of: keys, arrays of tables, tables of tables; told from annotations."""

from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from typing import Any, Final, get_args, get_type_hints

from msgspec import Struct
from msgspec.structs import FieldInfo, fields

from jobmgrd.config.kinds import Kind


class Effect(Enum):
    """When a changed key takes effect, if not at once."""

    RESTART = "at the next start"


RESTART: Final = Effect.RESTART


class Table(Struct, frozen=True, rename="kebab"):
    """A table; its keys are written in kebab-case."""


class Rows(Struct, frozen=True):
    """An array of at most `high` tables that differ in `key`; `build` makes values of them.

    `table` has the keys of one of them.
    """

    table: type[Table]
    build: Callable[[Any], object]
    high: int
    key: str = "name"


class Named(Struct, frozen=True):
    """A table of tables under names that the user chooses; `build` makes values of them."""

    table: type[Table]
    build: Callable[[Any], object]


class Key(Struct, frozen=True):
    """A key of a table: the name in Python, what its value is, and when a change takes effect."""

    attribute: str
    value: Kind | Rows | Named | type[Table]
    restart: bool
    required: bool


@cache
def keys(table: type[Table]) -> Mapping[str, Key]:
    """The keys of a table by the name that a user writes."""
    hints = get_type_hints(table, include_extras=True)
    return {field.encode_name: _key(field, hints[field.name]) for field in fields(table)}


def _key(field: FieldInfo, hint: object) -> Key:
    notes = getattr(hint, "__metadata__", ())
    value = next((note for note in notes if isinstance(note, Kind | Rows | Named)), None) or _table(
        hint
    )
    return Key(field.name, value, restart=RESTART in notes, required=field.required)


def _table(hint: object) -> type[Table]:
    """The table in `Table`, or in `Annotated[Table | None, ...]`."""
    if isinstance(hint, type) and issubclass(hint, Table):
        return hint
    return _table(get_args(hint)[0])
