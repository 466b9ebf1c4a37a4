"""A mapping -> checked tables, or the first reason why not."""

from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import TypeVar

from jobmgrd.config.errors import ConfigError
from jobmgrd.config.files import Place
from jobmgrd.config.kinds import Kind, type_name
from jobmgrd.config.schema import Config, Table, keys

T = TypeVar("T", bound=Table)

Origin = Callable[[Place], str]
"""Which source set a key: a file, or "config.load"."""


def read(raw: Mapping[str, object], origin: Origin) -> tuple[Config, list[str]]:
    """Check a whole configuration; the second value is warnings, one for each unknown table.

    Raises:
        ConfigError: an unknown key in a known table, a key outside of any, or a wrong value.
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
    _check_endpoints(config, origin)
    return config, warnings


def _table(table: type[T], raw: Mapping[str, object], place: Place, origin: Origin) -> T:
    known = keys(table)
    values: dict[str, object] = {}
    for name, value in raw.items():
        key = known.get(name)
        at = (*place, name)
        if key is None:
            problem = f"unknown key{_near(name, known)}"
            raise ConfigError(origin(at), ".".join(place), name, problem, _names(known))
        if isinstance(key.value, Kind):
            values[key.attribute] = _value(key.value, value, at, origin)
        elif isinstance(value, Mapping):
            values[key.attribute] = _table(key.value, value, at, origin)
        else:
            problem = f"Expected table, got {type_name(value)}"
            raise ConfigError(origin(at), ".".join(at), "", problem)
    return table(**values)


def _value(kind: Kind, value: object, at: Place, origin: Origin) -> object:
    try:
        return kind.read(value)
    except (TypeError, ValueError) as error:
        table = ".".join(at[:-1])
        raise ConfigError(origin(at), table, at[-1], str(error), kind.expected) from error


def _check_endpoints(config: Config, origin: Origin) -> None:
    """Refuse an endpoint given twice: ZeroMQ would let the second bind take it from the first."""
    seen = set(config.rpc.bind)
    if len(seen) < len(config.rpc.bind):
        raise _endpoint_twice(origin, "rpc")
    if len(seen | set(config.events.bind)) < len(seen) + len(config.events.bind):
        raise _endpoint_twice(origin, "events")


def _endpoint_twice(origin: Origin, table: str) -> ConfigError:
    return ConfigError(
        origin((table, "bind")), table, "bind", "endpoint used twice", "endpoints that differ"
    )


def _near(name: str, known: Collection[str]) -> str:
    """A hint at the known name that was probably meant."""
    near = get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _names(known: Collection[str], form: str = "{}") -> str:
    return "one of " + ", ".join(form.format(name) for name in known)
