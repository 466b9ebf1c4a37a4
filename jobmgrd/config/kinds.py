"""The kinds of values a configuration key may have: how each is read, and what it expects.

A reader turns a TOML or JSON value into the value that the daemon uses, or raises ValueError
with a text that says what is wrong. Type errors are worded as Flux words them ("Expected
string, got integer"), since these are the words that its users search for.
"""

import grp
import math
import os
import pwd
import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from msgspec import Struct

from jobmgrd.config.directories import RUNDIR, STATEDIR
from jobmgrd.jobs.retention import UNLIMITED
from protocol import bytesize, hostlist, idset
from protocol import duration as fsd
from protocol.job import Result
from protocol.resource_set import PROPERTY_ILLEGAL

INTEGER_MAX: Final = 2**63 - 1
"""TOML promises 64 bits; what is larger could not be told to a client either."""

USERID_MAX: Final = 2**32 - 2
"""RFC 3 has 32 bits for a userid, and keeps the largest for one that is unknown."""

SOCKET_PATH_MAX: Final = 107
"""Bytes of a unix socket's path (sun_path without its NUL, unix(7))."""

PORT_MAX: Final = 65535

_TYPE_NAMES: Final = (
    (bool, "boolean"),  # before int, which it is in Python
    (int, "integer"),
    (float, "real"),
    (str, "string"),
    (Mapping, "table"),
    (Sequence, "array"),
    (type(None), "null"),
)
_PLUGIN: Final = re.compile(r"[\w.-]{1,128}(:\w[\w.]{0,127})?")
_TEMPLATE: Final = re.compile(r"\{\{.*?(?:\}\}|$)")


class Kind(Struct, frozen=True):
    """A kind of value: its reader, and what a person is told to write instead of a wrong one."""

    expected: str
    read: Callable[[object], object]


def type_name(value: object) -> str:
    """What TOML and JSON call the type of a value."""
    return next(
        (name for type_, name in _TYPE_NAMES if isinstance(value, type_)), type(value).__name__
    )


def duration(*, positive: bool = False) -> Kind:
    """A finite Flux Standard Duration (RFC 23), read as seconds."""

    def read(value: object) -> float:
        seconds = fsd.parse(_string(value))
        if math.isinf(seconds):
            raise ValueError("must be finite")
        if positive and not seconds:
            raise ValueError("must be > 0")
        return seconds

    return Kind('a duration such as "500ms", "30s" or "5m" (RFC 23)', read)


def duration_or_inf() -> Kind:
    """A Flux Standard Duration (RFC 23), read as seconds; "0" and "inf" are no duration at all."""

    def read(value: object) -> float:
        seconds = fsd.parse(_string(value))
        return 0.0 if math.isinf(seconds) else seconds

    return Kind('a duration such as "30m" or "8h", or "0" for none (RFC 23)', read)


def size(*, low: int = 0) -> Kind:
    """A number of bytes: an integer, or a string with a binary unit (flux-core's parse_size.c)."""

    def read(value: object) -> int:
        if isinstance(value, str):
            value = bytesize.parse(value)
        return _integer(value, low, INTEGER_MAX)

    return Kind('bytes as an integer, or a string such as "512k", "4M" or "1G"', read)


def count(*, low: int, high: int) -> Kind:
    """An integer within bounds."""
    return Kind(f"an integer from {low} to {high}", lambda value: _integer(value, low, high))


def count_or_auto(*, low: int, high: int) -> Kind:
    """An integer within bounds, or "auto", read as None."""
    return Kind(
        f'an integer from {low} to {high}, or "auto"',
        lambda value: None if value == "auto" else _integer(value, low, high),
    )


def choice(*names: str) -> Kind:
    """One of a few names."""
    expected = "one of " + ", ".join(f'"{name}"' for name in names)

    def read(value: object) -> str:
        if _string(value) not in names:
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
        return frozenset(kind.read(item) for item in _filled(value))

    return Kind(f"{kind.expected}; or an array of such", read)


def name(*reserved: str) -> Kind:
    """A string that is not empty, and none of a few that mean something else."""
    others = " and ".join(f'"{word}"' for word in reserved)
    expected = f"a name other than {others}" if reserved else "a name"

    def read(value: object) -> str:
        if not (text := _string(value)):
            raise ValueError("name is empty")
        if text in reserved:
            raise ValueError(f"reserved name {text!r}")
        return text

    return Kind(expected, read)


def ids(*, high: int) -> Kind:
    """Some of the numbers from 0 to a bound, as an idset (RFC 22)."""

    def read(value: object) -> tuple[int, ...]:
        numbers = idset.parse(_string(value))
        if numbers and numbers[-1] > high:
            raise ValueError(f"must be <= {high}")
        return numbers

    return Kind(f'numbers from 0 to {high}, such as "0-3" (RFC 22)', read)


def _read_timeout(value: object) -> float:
    seconds = fsd.parse(_string(value))
    return 0.0 if math.isinf(seconds) else seconds


def _read_seconds(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"Expected real, got {type_name(value)}")
    if not 0 < value < math.inf:
        raise ValueError("must be > 0 and finite")
    return float(value)


def _read_command(value: object) -> tuple[str, ...]:
    words = tuple(_string(item) for item in _filled(_array(value)))
    if not words[0]:
        raise ValueError("the command's name is empty")
    if "\0" in "".join(words):
        raise ValueError("NUL in a command")
    return words


def _read_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"Expected true or false, got {type_name(value)}")
    return value


def _read_age_limit(value: object) -> float:
    seconds = fsd.parse(_string(value))
    return UNLIMITED if math.isinf(seconds) else seconds


def _read_num_limit(value: object) -> int:
    return UNLIMITED if value == UNLIMITED else _integer(value, 0, INTEGER_MAX)


def _read_result(value: object) -> Result:
    return Result[str(_RESULT.read(value)).upper()]


def _read_path(value: object) -> Path:
    path = Path(_text(value))
    if not path.is_absolute():
        raise ValueError(f"relative path {value!r}")
    return path


def _read_state_file(value: object) -> str:
    text = _text(value)
    _read_path(_fill(text, STATEDIR))
    return text


def _read_endpoint(value: object) -> str:
    text = _text(value)
    scheme, _, path = text.partition("://")
    if scheme == "tcp":
        _check_tcp(text, path)
        return text
    path = _fill(path, RUNDIR)
    if scheme != "ipc" or not path.startswith("/"):
        raise ValueError(f"unsupported endpoint {text!r}")
    if len(os.fsencode(path)) > SOCKET_PATH_MAX:
        raise ValueError(f"socket path is longer than {SOCKET_PATH_MAX} bytes: {text!r}")
    return text


def _check_tcp(text: str, place: str) -> None:
    host, _, port = place.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= PORT_MAX:
        raise ValueError(f"expected tcp://ADDRESS:PORT, got {text!r}")


def _read_endpoints(value: object) -> tuple[str, ...]:
    return tuple(_read_endpoint(item) for item in _filled(_array(value)))


def _read_local_address(value: object) -> str:
    text = _text(value)
    if text.startswith("unix:"):
        path = _fill(text.removeprefix("unix:"), RUNDIR)
        if not path.startswith("/"):
            raise ValueError(f"relative path in {text!r}")
        if len(os.fsencode(path)) > SOCKET_PATH_MAX:
            raise ValueError(f"socket path is longer than {SOCKET_PATH_MAX} bytes: {text!r}")
        return text
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdecimal() and 1 <= int(port[:6]) <= PORT_MAX):
        raise ValueError(f"no port in {text!r}")
    try:
        loopback = host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ValueError(f"{text!r} is not a loopback address")
    return text


def _read_hosts(value: object) -> tuple[str, ...]:
    hosts = tuple(hostlist.parse(_string(value)))
    if not hosts:
        raise ValueError("empty hostlist")
    return hosts


def _read_properties(value: object) -> tuple[str, ...]:
    return tuple(_read_property(item) for item in _array(value))


def _read_property(value: object) -> str:
    name = _string(value)
    if not name or PROPERTY_ILLEGAL & set(name):
        raise ValueError(f"invalid property {name!r}")
    return name


def _array(value: object) -> Sequence[object]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"Expected array, got {type_name(value)}")
    return value


def _read_users(value: object) -> frozenset[int]:
    return frozenset(_read_user(item) for item in _array(value))


def _read_groups(value: object) -> frozenset[int]:
    return frozenset(_read_group(item) for item in _array(value))


def _read_group(value: object) -> int:
    if not isinstance(value, str):
        return _integer(value, 0, USERID_MAX)
    try:
        return grp.getgrnam(value).gr_gid
    except (KeyError, ValueError) as error:
        raise ValueError(f"unknown group {value!r}") from error


def _read_user(value: object) -> int:
    if not isinstance(value, str):
        return _integer(value, 0, USERID_MAX)
    try:
        return pwd.getpwnam(value).pw_uid
    except (KeyError, ValueError) as error:
        raise ValueError(f"unknown user {value!r}") from error


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"Expected string, got {type_name(value)}")
    return value


def _text(value: object) -> str:
    """A string that the operating system takes as a path."""
    text = _string(value)
    if "\0" in text:
        raise ValueError("NUL in a path")
    return text


def _integer(value: object, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"Expected integer, got {type_name(value)}")
    if value < low:
        raise ValueError(f"must be >= {low}")
    if value > high:
        raise ValueError(f"must be <= {high}")
    return value


def _filled(array: Sequence[object]) -> Sequence[object]:
    if not array:
        raise ValueError("array is empty")
    return array


def _fill(text: str, template: str) -> str:
    """The text with a template replaced by some absolute path; other templates are refused."""
    filled = text.replace(template, "/")
    if unknown := _TEMPLATE.search(filled):
        raise ValueError(f"unknown template {unknown[0]!r}")
    return filled


def _read_plugin(value: object) -> str:
    if not _PLUGIN.fullmatch(text := _string(value)):
        raise ValueError(f"no name of a plugin {text[:64]!r}")
    return text


def _read_table(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise TypeError(f"Expected table, got {type_name(value)}")
    return value


TIMEOUT: Final = Kind('a duration such as "30s" or "5m", or "0" for none', _read_timeout)
SECONDS: Final = Kind("a number of seconds", _read_seconds)
COMMAND: Final = Kind('the words of a command such as ["/etc/prolog", "-v"]', _read_command)
FLAG: Final = Kind("true or false", _read_flag)
AGE_LIMIT: Final = Kind('a duration such as "12h" or "7d", or "inf" for no limit', _read_age_limit)
NUM_LIMIT: Final = Kind("an integer, or -1 for no limit", _read_num_limit)
_RESULT: Final = choice(*(result.name.lower() for result in Result))
RESULT: Final = Kind(_RESULT.expected, _read_result)
QUEUE: Final = Kind('the name of a queue, or "" for jobs without one', _string)
USERID: Final = count(low=0, high=USERID_MAX)
USERS: Final = Kind("an array of users, by name or userid", _read_users)
PATH: Final = Kind("an absolute path", _read_path)
STATE_FILE: Final = Kind(f"an absolute path, or one that starts with {STATEDIR}", _read_state_file)
ENDPOINTS: Final = Kind(
    f'endpoints such as ["ipc://{RUNDIR}/NAME", "tcp://ADDRESS:PORT"]', _read_endpoints
)
LOCAL_ADDRESS: Final = Kind(
    f'an address such as "127.0.0.1:9464" or "unix:{RUNDIR}/metrics"', _read_local_address
)
TARGETS: Final = Kind(
    'ranks such as "0-3" (RFC 22), or hosts such as "test[0-3]" (RFC 29)', _string
)
HOSTS: Final = Kind('a hostlist such as "test[0-3]" (RFC 29)', _read_hosts)
PROPERTIES: Final = Kind('an array of properties such as ["batch"] (RFC 20)', _read_properties)
PLUGIN: Final = Kind('the name of an installed plugin, or "module:object"', _read_plugin)
TABLE: Final = Kind("a table", _read_table)
GROUPS: Final = Kind("an array of groups, by name or groupid", _read_groups)
