"""Constraints on nodes (RFC 31): {"properties": ["ssd"]} -> which nodes a job may use.

The words of a refusal are flux-core's (librlist/match.c). As there, a host's name counts as a
property, too, and {} matches every node.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

from protocol import hostlist, idset
from protocol.errors import FormatError
from protocol.resource_set import PROPERTY_ILLEGAL

NESTED_MAX: Final = 32


class Facts(Protocol):
    """What a constraint asks of a node."""

    rank: int
    host: str
    properties: frozenset[str]


Matches: TypeAlias = Callable[[Facts], bool]


def compiled(constraint: object, depth: int = 0) -> Matches:
    """The predicate that a constraint is.

    Raises:
        FormatError: it is none; the text says what is wrong.
    """
    if not isinstance(constraint, Mapping):
        raise FormatError("constraint must be JSON object")
    if len(constraint) > 1:
        raise FormatError("constraint must only contain 1 element")
    if depth > NESTED_MAX:
        raise FormatError("constraint is nested too deep")
    for operator, values in constraint.items():
        if operator in _LEAVES:
            return _LEAVES[operator](_strings(operator, values))
        if operator in _COMBINED:
            terms = [compiled(value, depth + 1) for value in _list(operator, values)]
            return _COMBINED[operator](terms)
        raise FormatError(f"unknown constraint operator: {operator}")
    return lambda _node: True


def _list(operator: str, values: object) -> Sequence[Any]:
    if not isinstance(values, list | tuple):
        raise FormatError(f"{operator} operator value must be an array")
    return values


def _strings(operator: str, values: object) -> Sequence[str]:
    for value in _list(operator, values):
        if not isinstance(value, str):
            raise FormatError(f"non-string {operator} value specified")
    return _list(operator, values)


def _properties(values: Sequence[str]) -> Matches:
    for value in values:
        name = value.removeprefix("^")
        for character in name:
            if character in PROPERTY_ILLEGAL - {"^"}:
                raise FormatError(f"invalid character '{character}' in property \"{value}\"")
    wanted = [value for value in values if not value.startswith("^")]
    unwanted = [value[1:] for value in values if value.startswith("^")]
    return lambda node: (
        all(name in node.properties or name == node.host for name in wanted)
        and not any(name in node.properties or name == node.host for name in unwanted)
    )


def _hostlist(values: Sequence[str]) -> Matches:
    hosts = frozenset(host for value in values for host in hostlist.parse(value))
    return lambda node: node.host in hosts


def _ranks(values: Sequence[str]) -> Matches:
    ranks = frozenset(rank for value in values for rank in idset.parse(value))
    return lambda node: node.rank in ranks


_LEAVES: Final[Mapping[str, Callable[[Sequence[str]], Matches]]] = {
    "properties": _properties,
    "hostlist": _hostlist,
    "ranks": _ranks,
}
_COMBINED: Final[Mapping[str, Callable[[Sequence[Matches]], Matches]]] = {
    "and": lambda terms: lambda node: all(term(node) for term in terms),
    "or": lambda terms: lambda node: not terms or any(term(node) for term in terms),
    "not": lambda terms: lambda node: not all(term(node) for term in terms),
}
