"""Hostlists (RFC 29): "host[0-3],other" <-> the hosts in their order, repeated ones included."""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from protocol.errors import FormatError

HOSTS_MAX: Final = 2**16
NAME_MAX: Final = 255
"""Characters of a host's name, as in DNS: a long name with a range would fill the memory."""

_EXPRESSION: Final = re.compile(r"([^\[\],]*)(?:\[([0-9,-]*)\]([^\[\],]*))?(?:,|$)")
_IDS: Final = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18}))?")
_NUMBERED: Final = re.compile(r"(.*?)([0-9]{1,18})", re.DOTALL)
_HOST: Final = re.compile(r"[!-+\--Z\\^-~]+")  # printable ASCII but space, comma and brackets


def parse(text: str) -> list[str]:
    """The hosts of a hostlist.

    Raises:
        FormatError: it is malformed, or stands for more than HOSTS_MAX hosts or a longer name
            than NAME_MAX.
    """
    hosts: list[str] = []
    at = 0
    while at < len(text):
        if len(hosts) >= HOSTS_MAX:
            raise FormatError(f"hostlist: more than {HOSTS_MAX} hosts")
        match = _EXPRESSION.match(text, at)
        if match is None:
            raise FormatError(f"hostlist: malformed at {text[at : at + 40]!r}")
        prefix, idlist, suffix = match.groups()
        if idlist is None:
            hosts += [prefix] if prefix else []
        elif len(prefix) > NAME_MAX or len(suffix) > NAME_MAX:
            _check(prefix + suffix)
        else:
            hosts += [f"{prefix}{id_}{suffix}" for id_ in _ids(idlist, HOSTS_MAX - len(hosts))]
        at = match.end()
    for host in hosts:
        _check(host)
    return hosts


def format(hosts: Iterable[str]) -> str:
    """The hostlist of these hosts; consecutive numbers become a range.

    Raises:
        FormatError: a host is empty, or holds what a hostlist gives a meaning.
    """
    runs = groupby(_chain(hosts), key=lambda part: part[:3])
    expressions = []
    for (_, prefix, width), parts in runs:
        numbers = [number for *_, number in parts]
        if width is None:
            expressions.append(prefix)
        elif len(numbers) == 1:
            expressions.append(f"{prefix}{numbers[0]:0{width}d}")
        else:
            expressions.append(f"{prefix}[{','.join(_ranges(numbers, width))}]")
    return ",".join(expressions)


def _ids(idlist: str, limit: int) -> Iterator[str]:
    """The ids of "00,2-3", the first one's leading zeros on all."""
    width = None
    for part in idlist.split(","):
        match = _IDS.fullmatch(part)
        if match is None:
            raise FormatError(f"hostlist: malformed ids {idlist[:40]!r}")
        first, last = int(match[1]), int(match[2] or match[1])
        if width is None:
            width = _width(match[1])
        limit -= last - first + 1
        if last < first:
            raise FormatError(f"hostlist: range {part!r} runs backwards")
        if limit < 0:
            raise FormatError(f"hostlist: more than {HOSTS_MAX} hosts")
        for number in range(first, last + 1):
            yield f"{number:0{width}d}"


def _chain(hosts: Iterable[str]) -> Iterator[tuple[int, str, int | None, int]]:
    """Each host as (run, prefix, width, number): hosts of one run share a bracket."""
    run, shared, width = 0, "", None
    for host in hosts:
        _check(host)
        match = _NUMBERED.fullmatch(host)
        prefix, digits = (match[1], match[2]) if match else (host, "")
        number = int(digits or 0)
        if not digits or prefix != shared or width is None or f"{number:0{width}d}" != digits:
            run += 1
            shared, width = prefix, _width(digits) if digits else None
        yield run, prefix, width, number


def _width(digits: str) -> int:
    """Digits that every id of a list has if this is its first; 0 if none is padded."""
    return len(digits) if digits[0] == "0" else 0


def _ranges(numbers: list[int], width: int) -> Iterator[str]:
    for _, group in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        part = [number for _, number in group]
        first, last = f"{part[0]:0{width}d}", f"{part[-1]:0{width}d}"
        yield first if len(part) == 1 else f"{first}-{last}"


def _check(host: str) -> None:
    if len(host) > NAME_MAX or not _HOST.fullmatch(host):
        raise FormatError(f"hostlist: not a host name: {host[:80]!r}")
