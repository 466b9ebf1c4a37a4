"""A mapping -> checked tables, or the first reason why not."""

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import TypeVar

from jobmgrd.config.checks import Origin, check_together
from jobmgrd.config.errors import ConfigError
from jobmgrd.config.files import Place
from jobmgrd.config.flux_only import REASONS
from jobmgrd.config.kinds import Kind, type_name
from jobmgrd.config.schema import Config
from jobmgrd.config.table import Named, Rows, Table, keys

T = TypeVar("T", bound=Table)


def read(raw: Mapping[str, object], origin: Origin) -> tuple[Config, list[str]]:
    """Check a whole configuration; the second value is warnings, one for each unknown table.

    Raises:
        ConfigError: an unknown key in a known table, a key outside of any, a wrong value, one that
            is missing, or values that do not go together.
    """
    known: dict[str, object] = {}
    warnings: list[str] = []
    for name, value in raw.items():
        if name in keys(Config):
            known[name] = value
        elif isinstance(value, Mapping):
            warnings.append(
                f"{origin((name,))}: [{name}]: unknown table ignored{_near(name, keys(Config))}"
            )
        else:
            raise ConfigError(
                origin((name,)), "", name, "key outside of a table", _names(keys(Config), "[{}]")
            )
    config = _table(Config, known, (), origin)
    check_together(config, origin)
    return config, warnings


def _table(table: type[T], raw: Mapping[str, object], place: Place, origin: Origin) -> T:
    known = keys(table)
    values: dict[str, object] = {}
    for name, value in raw.items():
        key = known.get(name)
        at = (*place, name)
        if key is None:
            raise _unknown(at, known, origin)
        if isinstance(key.value, Kind):
            values[key.attribute] = _value(key.value, value, at, origin)
        elif isinstance(key.value, Rows):
            values[key.attribute] = _rows(key.value, value, at, origin)
        elif isinstance(key.value, Named):
            values[key.attribute] = _named(key.value, value, at, origin)
        else:
            values[key.attribute] = _table(key.value, _mapping(value, at, origin), at, origin)
    for name, key in known.items():
        if key.required and key.attribute not in values:
            expected = key.value.expected if isinstance(key.value, Kind) else ""
            raise ConfigError(origin(place), ".".join(place), name, "key is missing", expected)
    return table(**values)


def _unknown(at: Place, known: Collection[str], origin: Origin) -> ConfigError:
    """The error for a key that there is not, or that only Flux has."""
    reason = REASONS.get(".".join(at))
    hint = f" to jobmgrd, though Flux has it: {reason}" if reason else _near(at[-1], known)
    problem, expected = f"unknown key{hint}", "" if reason else _names(known)
    return ConfigError(origin(at), ".".join(at[:-1]), at[-1], problem, expected)


def _named(named: Named, value: object, at: Place, origin: Origin) -> Mapping[str, object]:
    built = {}
    for name, row in _mapping(value, at, origin).items():
        if not name:
            raise ConfigError(origin(at), ".".join(at), "", "name is empty", "a name")
        place = (*at, name)
        table = _table(named.table, _mapping(row, place, origin), place, origin)
        built[name] = named.build(table)
    return built


def _mapping(value: object, at: Place, origin: Origin) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ConfigError(origin(at), ".".join(at), "", f"Expected table, got {type_name(value)}")
    return value


def _rows(rows: Rows, value: object, at: Place, origin: Origin) -> tuple[object, ...]:
    """The values of an array of tables; errors name one by its name, or by its number from 1."""
    array = ".".join(at)
    if isinstance(value, str) or not isinstance(value, Sequence):
        problem = f"Expected array, got {type_name(value)}"
        raise ConfigError(origin(at), array, "", problem, f"tables [[{array}]]")
    if len(value) > rows.high:
        raise ConfigError(origin(at), array, "", f"{len(value)} tables", f"at most {rows.high}")
    built: dict[Place, object] = {}
    for number, row in enumerate(value, start=1):
        place = (*at[:-1], f"{at[-1]}[{_label(row, rows.key, number)}]")
        if not isinstance(row, Mapping):
            problem = f"Expected table, got {type_name(row)}"
            raise ConfigError(origin(at), ".".join(place), "", problem)
        table = _table(rows.table, row, place, lambda _place: origin(at))
        if place in built:
            raise ConfigError(
                origin(at), ".".join(place), rows.key, f"{rows.key} used twice", "names that differ"
            )
        built[place] = rows.build(table)
    return tuple(built.values())


def _label(row: object, key: str, number: int) -> str:
    name = row.get(key) if isinstance(row, Mapping) else None
    return name if name and isinstance(name, str) else str(number)


def _value(kind: Kind, value: object, at: Place, origin: Origin) -> object:
    try:
        return kind.read(value)
    except (TypeError, ValueError) as error:
        table = ".".join(at[:-1])
        raise ConfigError(origin(at), table, at[-1], str(error), kind.expected) from error


def _near(name: str, known: Collection[str]) -> str:
    """A hint at the known name that was probably meant."""
    near = get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _names(known: Collection[str], form: str = "{}") -> str:
    return "one of " + ", ".join(form.format(name) for name in known)
