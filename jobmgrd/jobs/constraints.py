"""Constraints on nodes (RFC 31): {"properties": ["ssd"]} -> which nodes a job may use.

The words of a refusal are flux-core's (librlist/match.c). As there, a host's name counts as a
property, too, and {} matches every node.

Hosts and ranks are written out when a constraint is read, so that a few bytes may stand for very
many: what is read of one constraint is bounded.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from protocol import hostlist, idset
from protocol.errors import FormatError
from protocol.resource_set import PROPERTY_ILLEGAL

NESTED_MAX: Final = 32
OPERATORS_MAX: Final = 1024
NAMED_MAX: Final = 1 << 16
"""Properties, hosts and ranks in one constraint."""


class Facts(Protocol):
    """What a constraint asks of a node."""

    rank: int
    host: str
    properties: frozenset[str]


Matches: TypeAlias = Callable[[Facts], bool]
_ILLEGAL: Final = PROPERTY_ILLEGAL - {"^"}
_Name = TypeVar("_Name", str, int)


def compiled(constraint: object) -> Matches:
    """The predicate that a constraint is.

    Raises:
        FormatError: it is none, or too large; the text says what is wrong.
    """
    return _Reader().read(constraint)


class _Reader:
    """Reads one constraint, and counts what it holds."""

    def __init__(self) -> None:
        self._operators = OPERATORS_MAX
        self._named = NAMED_MAX

    def read(self, constraint: object, depth: int = 0) -> Matches:
        if not isinstance(constraint, Mapping):
            raise FormatError("constraint must be JSON object")
        if len(constraint) > 1:
            raise FormatError("constraint must only contain 1 element")
        if depth > NESTED_MAX:
            raise FormatError("constraint is nested too deep")
        self._operators -= 1
        if self._operators < 0:
            raise FormatError(f"constraint has more than {OPERATORS_MAX} operators")
        for operator, values in constraint.items():
            if operator in _LEAVES:
                expand, matches = _LEAVES[operator]
                names = [self._count(expand(value)) for value in _strings(operator, values)]
                return matches(frozenset(chain.from_iterable(names)))
            if operator in _COMBINED:
                terms = [self.read(value, depth + 1) for value in _list(operator, values)]
                return _COMBINED[operator](terms)
            raise FormatError(f"unknown constraint operator: {operator}")
        return lambda _node: True

    def _count(self, names: Sequence[_Name]) -> Sequence[_Name]:
        self._named -= len(names)
        if self._named < 0:
            raise FormatError(f"constraint has more than {NAMED_MAX} properties, hosts and ranks")
        return names


def _list(operator: str, values: object) -> Sequence[Any]:
    if not isinstance(values, list | tuple):
        raise FormatError(f"{operator} operator value must be an array")
    return values


def _strings(operator: str, values: object) -> Sequence[str]:
    for value in _list(operator, values):
        if not isinstance(value, str):
            raise FormatError(f"non-string {operator} value specified")
    return _list(operator, values)


def _property(value: str) -> Sequence[str]:
    for character in value.removeprefix("^"):
        if character in _ILLEGAL:
            raise FormatError(f"invalid character '{character}' in property \"{value}\"")
    return (value,)


def _properties(values: frozenset[str]) -> Matches:
    wanted = frozenset(value for value in values if not value.startswith("^"))
    unwanted = frozenset(value[1:] for value in values if value.startswith("^"))

    def matches(node: Facts) -> bool:
        names = node.properties | {node.host}
        return wanted <= names and unwanted.isdisjoint(names)

    return matches


_LEAVES: Final[Mapping[str, tuple[Callable[[str], Sequence[Any]], Callable[[Any], Matches]]]] = {
    "properties": (_property, _properties),
    "hostlist": (hostlist.parse, lambda hosts: lambda node: node.host in hosts),
    "ranks": (idset.parse, lambda ranks: lambda node: node.rank in ranks),
}
"""By operator: what a text of it stands for, and the predicate that all of these are."""
_COMBINED: Final[Mapping[str, Callable[[Sequence[Matches]], Matches]]] = {
    "and": lambda terms: lambda node: all(term(node) for term in terms),
    "or": lambda terms: lambda node: not terms or any(term(node) for term in terms),
    "not": lambda terms: lambda node: not all(term(node) for term in terms),
}
