"""Users in a plugin's configuration: names or numbers, as TOML keys."""

import pwd
from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


def by_userid(table: Mapping[str, T]) -> dict[int, T]:
    """The values of a table by userid.

    Raises:
        ValueError: a name that this host does not know, or a user who is named twice.
    """
    found: dict[int, T] = {}
    for name, value in table.items():
        userid = _userid(name)
        if userid in found:
            raise ValueError(f"user {name!r} (userid {userid}) is named twice")
        found[userid] = value
    return found


def _userid(name: str) -> int:
    if name.isascii() and name.isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise ValueError(f"there is no user {name!r}") from None
