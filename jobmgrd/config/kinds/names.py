"""Names: of choices, users, queues, nodes, plugins; and the words of commands."""

import grp
import pwd
import re
from collections.abc import Sequence
from typing import Final

from jobmgrd.config.kinds.numbers import count
from jobmgrd.config.kinds.values import Kind, array, filled, integer, string
from protocol import hostlist, idset
from protocol.job import Result
from protocol.resource_set import PROPERTY_ILLEGAL

USERID_MAX: Final = 2**32 - 2
"""RFC 3 has 32 bits for a userid, and keeps the largest for one that is unknown."""
_PLUGIN: Final = re.compile(r"[\w.-]{1,128}(:\w[\w.]{0,127})?")


def choice(*names: str) -> Kind:
    """One of a few names."""
    expected = "one of " + ", ".join(f'"{name}"' for name in names)

    def read(value: object) -> str:
        if string(value) not in names:
            raise ValueError(f"unknown value {value!r}")
        return str(value)

    return Kind(expected, read)


def one_or_more(kind: Kind) -> Kind:
    """A value of a kind, or an array of such values, read as a frozenset.

    An empty array is refused: a rule that lists nothing to match would match everything.
    """

    def read(value: object) -> frozenset[object]:
        if isinstance(value, str) or not isinstance(value, Sequence):
            return frozenset({kind.read(value)})
        return frozenset(kind.read(item) for item in filled(value))

    return Kind(f"{kind.expected}; or an array of such", read)


def name(*reserved: str) -> Kind:
    """A string that is not empty, and none of a few that mean something else."""
    others = " and ".join(f'"{word}"' for word in reserved)
    expected = f"a name other than {others}" if reserved else "a name"

    def read(value: object) -> str:
        if not (text := string(value)):
            raise ValueError("name is empty")
        if text in reserved:
            raise ValueError(f"reserved name {text!r}")
        return text

    return Kind(expected, read)


def ids(*, high: int) -> Kind:
    """Some of the numbers from 0 to a bound, as an idset (RFC 22)."""

    def read(value: object) -> tuple[int, ...]:
        numbers = idset.parse(string(value))
        if numbers and numbers[-1] > high:
            raise ValueError(f"must be <= {high}")
        return numbers

    return Kind(f'numbers from 0 to {high}, such as "0-3" (RFC 22)', read)


def _read_command(value: object) -> tuple[str, ...]:
    words = tuple(string(item) for item in filled(array(value)))
    if not words[0]:
        raise ValueError("the command's name is empty")
    if "\0" in "".join(words):
        raise ValueError("NUL in a command")
    return words


def _read_result(value: object) -> Result:
    return Result[str(_RESULT.read(value)).upper()]


def _read_hosts(value: object) -> tuple[str, ...]:
    hosts = tuple(hostlist.parse(string(value)))
    if not hosts:
        raise ValueError("empty hostlist")
    return hosts


def _read_properties(value: object) -> tuple[str, ...]:
    return tuple(_read_property(item) for item in array(value))


def _read_property(value: object) -> str:
    name = string(value)
    if not name or PROPERTY_ILLEGAL & set(name):
        raise ValueError(f"invalid property {name!r}")
    return name


def _read_users(value: object) -> frozenset[int]:
    return frozenset(_read_user(item) for item in array(value))


def _read_groups(value: object) -> frozenset[int]:
    return frozenset(_read_group(item) for item in array(value))


def _read_group(value: object) -> int:
    if not isinstance(value, str):
        return integer(value, 0, USERID_MAX)
    try:
        return grp.getgrnam(value).gr_gid
    except (KeyError, ValueError) as error:
        raise ValueError(f"unknown group {value!r}") from error


def _read_user(value: object) -> int:
    if not isinstance(value, str):
        return integer(value, 0, USERID_MAX)
    try:
        return pwd.getpwnam(value).pw_uid
    except (KeyError, ValueError) as error:
        raise ValueError(f"unknown user {value!r}") from error


def _read_plugin(value: object) -> str:
    if not _PLUGIN.fullmatch(text := string(value)):
        raise ValueError(f"no name of a plugin {text[:64]!r}")
    return text


COMMAND: Final = Kind('the words of a command such as ["/etc/prolog", "-v"]', _read_command)
_RESULT: Final = choice(*(result.name.lower() for result in Result))
RESULT: Final = Kind(_RESULT.expected, _read_result)
QUEUE: Final = Kind('the name of a queue, or "" for jobs without one', string)
USERID: Final = count(low=0, high=USERID_MAX)
USERS: Final = Kind("an array of users, by name or userid", _read_users)
GROUPS: Final = Kind("an array of groups, by name or groupid", _read_groups)
TARGETS: Final = Kind('ranks such as "0-3" (RFC 22), or hosts such as "test[0-3]" (RFC 29)', string)
HOSTS: Final = Kind('a hostlist such as "test[0-3]" (RFC 29)', _read_hosts)
PROPERTIES: Final = Kind('an array of properties such as ["batch"] (RFC 20)', _read_properties)
PLUGIN: Final = Kind('the name of an installed plugin, or "module:object"', _read_plugin)
