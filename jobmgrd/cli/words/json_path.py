"""One value out of nested tables, or into them, by a path of names with dots between them."""

from collections.abc import Mapping
from typing import Any

from jobmgrd.cli.failure import CommandError


def lookup(value: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401 - JSON is any value
    """The value at a path such as "purge.total".

    Raises:
        CommandError: there is none; the text names what there is.
    """
    found: Any = value
    names = path.split(".")
    for depth, name in enumerate(names):
        if not isinstance(found, Mapping) or name not in found:
            where = ".".join(names[:depth]) or "the top"
            known = ", ".join(found) if isinstance(found, Mapping) else "no keys"
            raise CommandError(f"{path} is not set: {where} has {known or 'no keys'}")
        found = found[name]
    return found


def assign(value: dict[str, Any], path: str, new: Any) -> None:  # noqa: ANN401 - JSON is any value
    """Set the value at a path such as "run.step"; tables that are missing are made.

    Raises:
        CommandError: a name in the path is empty, or has another value than a table.
    """
    *tables, last = path.split(".")
    level: Any = value
    for name in tables:
        level = level.setdefault(name, {}) if isinstance(level, dict) and name else None
    if not isinstance(level, dict) or not last:
        raise CommandError(f"cannot set {path}: an empty name, or a name that has a value already")
    level[last] = new
