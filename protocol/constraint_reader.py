"""Reads constraints (RFC 43): objects of a payload -> the tree of protocol.constraint.

Reading is strict and bounded, so that what follows (a filter, a query) may walk the tree without
a thought: at most DEPTH_MAX levels, OPERATORS_MAX operators and VALUES_MAX values, with hosts and
ranks written out. Texts of errors are those of flux-core's job-list (match.c), and then the place.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum, IntFlag
from functools import reduce
from operator import or_
from typing import Final, NoReturn, TypeAlias, cast, get_args

from protocol import hostlist, idset
from protocol.constraint import (
    TRUE,
    USERID_UNKNOWN,
    And,
    Attribute,
    Comparison,
    Constraint,
    Hosts,
    Names,
    Not,
    Or,
    Queues,
    Ranks,
    Results,
    States,
    Userids,
    When,
)
from protocol.errors import FormatError
from protocol.job import Result, State

DEPTH_MAX: Final = 12
"""Levels of operators; a payload has at most 32 levels, of which each takes two."""
OPERATORS_MAX: Final = 256
VALUES_MAX: Final = 4096
HOSTS_MAX: Final = 1024
"""Hosts in one hostlist, and ranks in one ranks operator (flux-core: the same, or the size)."""


def parse(value: object) -> Constraint:
    """The constraint that an object of a payload stands for; None and {} match everything.

    Raises:
        FormatError: it is malformed, too deep or too wide; the text ends with the place.
    """
    return TRUE if value is None else _Reader().constraint(value, "", 1)


class _Reader:
    """Reads one constraint, and counts what it holds."""

    def __init__(self) -> None:
        self._operators = 0
        self._values = 0

    def constraint(self, value: object, place: str, depth: int) -> Constraint:
        if not isinstance(value, Mapping):
            _fail("constraint must be JSON object", place)
        if len(value) > 1:
            _fail("constraint must only contain 1 element", place)
        if not value:
            return TRUE
        ((operator, values),) = value.items()
        place = f"{place}.{operator[:32]}" if place else operator[:32]
        if not isinstance(values, Sequence) or isinstance(values, str | bytes):
            _fail(f"operator {operator[:32]} values not an array", place)
        self._count(values, place, depth)
        if operator in _LOGIC:
            terms = [
                self.constraint(term, f"{place}[{n}]", depth + 1) for n, term in enumerate(values)
            ]
            return _LOGIC[operator](tuple(terms))
        if operator in _TIMES:
            return _when(cast("Attribute", operator), values, place)
        if operator not in _LEAVES:
            _fail(f"unknown constraint operator: {operator[:32]}", place.rpartition(".")[0])
        leaf = _LEAVES[operator](values, place)
        self._count_values(_named(leaf), place)
        return leaf

    def _count(self, values: Sequence[object], place: str, depth: int) -> None:
        self._operators += 1
        if depth > DEPTH_MAX:
            _fail(f"constraint is nested deeper than {DEPTH_MAX}", place)
        if self._operators > OPERATORS_MAX:
            _fail(f"constraint has more than {OPERATORS_MAX} operators", place)
        self._count_values(len(values), place)

    def _count_values(self, n: int, place: str) -> None:
        self._values += n
        if self._values > VALUES_MAX:
            _fail(f"constraint has more than {VALUES_MAX} values", place)


def _named(leaf: Constraint) -> int:
    """How many hosts or ranks an operator stands for."""
    match leaf:
        case Hosts(hosts):
            return len(hosts)
        case Ranks(ranks):
            return len(ranks)
    return 0


def _fail(text: str, place: str) -> NoReturn:
    raise FormatError(f"{text} (at {place})" if place else text)


def _userids(values: Sequence[object], place: str) -> Constraint:
    ids = set()
    for n, value in enumerate(values):
        if not isinstance(value, int) or isinstance(value, bool):
            _fail("userid value must be an integer", f"{place}[{n}]")
        if not -1 <= value <= USERID_UNKNOWN:
            _fail(f"userid value {value} is out of range", f"{place}[{n}]")
        ids.add(value & USERID_UNKNOWN)
    return TRUE if USERID_UNKNOWN in ids else Userids(frozenset(ids))


def _strings(values: Sequence[object], place: str, what: str) -> Sequence[str]:
    for n, value in enumerate(values):
        if not isinstance(value, str):
            _fail(f"{what} value must be a string", f"{place}[{n}]")
    return cast("Sequence[str]", values)


def _names(values: Sequence[object], place: str) -> Constraint:
    return Names(frozenset(_strings(values, place, "name")))


def _queues(values: Sequence[object], place: str) -> Constraint:
    return Queues(frozenset(_strings(values, place, "queue")))


def _states(values: Sequence[object], place: str) -> Constraint:
    return States(_mask(values, place, "states", _STATE_NAMES))


def _results(values: Sequence[object], place: str) -> Constraint:
    return Results(_mask(values, place, "results", _RESULT_NAMES))


def _mask(values: Sequence[object], place: str, what: str, names: Mapping[str, int]) -> int:
    """The bits that names and numbers stand for."""
    mask = 0
    valid = reduce(or_, map(int, names.values()))
    for n, value in enumerate(values):
        if isinstance(value, str):
            if value not in names:
                _fail(f"invalid {what} value '{value[:32]}' specified", f"{place}[{n}]")
            mask |= names[value]
        elif isinstance(value, int) and not isinstance(value, bool):
            if value & ~valid:
                _fail(f"invalid {what} value '{value:X}h' specified", f"{place}[{n}]")
            mask |= value
        else:
            _fail(f"{what} value invalid type", f"{place}[{n}]")
    return mask


def _hosts(values: Sequence[object], place: str) -> Constraint:
    hosts: set[str] = set()
    named = 0  # repeated ones included: all of them have to be read
    for n, text in enumerate(_strings(values, place, "host")):
        try:
            found = hostlist.parse(text)
        except FormatError:
            found = []
        if not found:
            _fail("host value not in valid Hostlist format", f"{place}[{n}]")
        hosts.update(found)
        named += len(found)
        if named > HOSTS_MAX:
            _fail(f"too many hosts specified: more than {HOSTS_MAX}", f"{place}[{n}]")
    return Hosts(frozenset(hosts))


def _ranks(values: Sequence[object], place: str) -> Constraint:
    ranks: set[int] = set()
    named = 0
    for n, text in enumerate(_strings(values, place, "ranks")):
        try:
            found = idset.parse(text)
        except FormatError as error:
            _fail(f"ranks value '{text[:32]}': {error}", f"{place}[{n}]")
        ranks.update(found)
        named += len(found)
        if named > HOSTS_MAX:
            _fail(f"too many ranks specified: more than {HOSTS_MAX}", f"{place}[{n}]")
    return Ranks(frozenset(ranks))


def _when(attribute: Attribute, values: Sequence[object], place: str) -> Constraint:
    if not values:
        _fail("timestamp value not specified", place)
    if len(values) > 1:
        _fail("more than one timestamp value specified", place)
    (text,) = _strings(values, place, attribute)
    for comparison in _COMPARISONS:  # the longer ones first
        if text.startswith(comparison):
            return When(attribute, comparison, _timestamp(text[len(comparison) :], place))
    _fail("timestamp comparison operator not specified", place)


def _timestamp(text: str, place: str) -> float:
    try:
        t = math.nan if "_" in text else float(text)
    except ValueError:
        t = math.nan
    if not math.isfinite(t):
        _fail("Invalid timestamp value specified", place)
    if t < 0:
        _fail("timestamp value must be >= 0.0", place)
    return t + 0.0  # -0.0 is 0.0


def _spellings(short: Mapping[str, int], long: Iterable[IntFlag | IntEnum]) -> Mapping[str, int]:
    """Short and long names, each in lower and in upper case."""
    names = {**short, **{member.name: int(member) for member in long if member.name}}
    return names | {name.lower(): number for name, number in names.items()}


_Logic: TypeAlias = Callable[[tuple[Constraint, ...]], Constraint]
_Leaf: TypeAlias = Callable[[Sequence[object], str], Constraint]

_LOGIC: Final[Mapping[str, _Logic]] = {"and": And, "or": Or, "not": Not}
_LEAVES: Final[Mapping[str, _Leaf]] = {
    "userid": _userids,
    "name": _names,
    "queue": _queues,
    "states": _states,
    "results": _results,
    "hostlist": _hosts,
    "ranks": _ranks,
}
_TIMES: Final = frozenset(get_args(Attribute))
_COMPARISONS: Final[Sequence[Comparison]] = (">=", "<=", ">", "<")
_STATE_NAMES: Final = _spellings(
    {
        "N": State.NEW,
        "D": State.DEPEND,
        "P": State.PRIORITY,
        "S": State.SCHED,
        "R": State.RUN,
        "C": State.CLEANUP,
        "I": State.INACTIVE,
        "PD": State.PENDING,
        "RU": State.RUNNING,
        "A": State.ACTIVE,
    },
    State.__members__.values(),
)
_RESULT_NAMES: Final = _spellings(
    {
        "CD": Result.COMPLETED,
        "F": Result.FAILED,
        "CA": Result.CANCELED,
        "TO": Result.TIMEOUT,
    },
    Result,
)
