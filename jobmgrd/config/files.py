"""TOML files -> one mapping, which remembers the file that set each key."""

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Final

import tomli
from msgspec import Struct, to_builtins

from jobmgrd.config.errors import ConfigError
from jobmgrd.config.kinds.numbers import INTEGER_MAX
from protocol.payload import MAX_DEPTH

EXPECTED: Final = "a TOML file, or a directory of *.toml files"

Place = tuple[str, ...]
"""The names that lead to a key, for example ("job-manager", "inactive-age-limit")."""


class Merged(Struct, frozen=True):
    """What some files say together. Dates are strings: everything in `raw` is JSON."""

    raw: dict[str, object]
    origins: dict[Place, Path]


def read(path: Path) -> Merged:
    """Read a file, or the visible *.toml files of a directory in the order of their names.

    Tables of several files are merged.

    Raises:
        ConfigError: something cannot be read, is not TOML, or sets a key that another file set.
    """
    merged = Merged({}, {})
    for file in _files(path):
        _merge(merged, merged.raw, (), _parse(file), file)
    return merged


def _files(path: Path) -> Sequence[Path]:
    if not path.is_dir():
        return [path]
    try:
        names = sorted(p for p in path.iterdir() if p.suffix == ".toml" and p.name[0] != ".")
    except OSError as error:
        raise ConfigError(str(path), "", "", error.strerror or str(error), EXPECTED) from error
    if not names:
        raise ConfigError(str(path), "", "", "directory has no *.toml files", EXPECTED)
    return names


def _parse(file: Path) -> dict[str, object]:
    try:
        table = tomli.loads(file.read_bytes().decode())
    except OSError as error:
        raise ConfigError(str(file), "", "", error.strerror or str(error), EXPECTED) from error
    except tomli.TOMLDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(str(file), "", where, f"not TOML: {error.msg}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(file), "", "", f"not UTF-8 at byte {error.start}", "TOML") from error
    except RecursionError as error:
        raise ConfigError(str(file), "", "", "nested too deep", "TOML") from error
    builtins: dict[str, object] = to_builtins(table)
    _check(builtins, (), 1, file)
    return builtins


def _check(value: object, place: Place, depth: int, file: Path) -> None:
    """Refuse what no client can be told of: config.get shows all of it, tables unknown here too."""
    if isinstance(value, dict | list):
        problem = f"nested deeper than {MAX_DEPTH}" if depth > MAX_DEPTH else ""
    elif isinstance(value, float):
        problem = "" if isfinite(value) else f"number is not finite: {value}"
    else:
        beyond = isinstance(value, int) and not -INTEGER_MAX - 1 <= value <= INTEGER_MAX
        problem = "integer beyond 64 bits" if beyond else ""
    if problem:
        raise ConfigError(str(file), ".".join(place[:-1]), place[-1], problem)
    if isinstance(value, dict):
        for name, inner in value.items():
            _check(inner, (*place, name), depth + 1, file)
    elif isinstance(value, list):
        for inner in value:
            _check(inner, place, depth + 1, file)


def _merge(
    merged: Merged, into: dict[str, object], place: Place, table: dict[str, object], file: Path
) -> None:
    for name, value in table.items():
        at = (*place, name)
        known = into.get(name)
        if name not in into:
            into[name] = known = {} if isinstance(value, dict) else value
            merged.origins[at] = file
        elif not (isinstance(value, dict) and isinstance(known, dict)):
            raise ConfigError(
                str(file),
                ".".join(place),
                name,
                f"already set in {merged.origins[at]}",
                "a key to be set in one file",
            )
        if isinstance(value, dict) and isinstance(known, dict):
            _merge(merged, known, at, value, file)
