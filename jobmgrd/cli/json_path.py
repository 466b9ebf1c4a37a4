"""One value out of nested tables, by a path of names with dots between them."""

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
