"""Constraints on jobs (RFC 43, RFC 31): {"and": [{"userid": [42]}, ...]} as a tree of values.

`parse` in protocol.constraint_reader reads one, `encode` writes it.
"""

from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

from protocol import hostlist, idset

USERID_UNKNOWN: Final = 2**32 - 1
"""A userid that stands for every user; -1 does, too."""

Attribute: TypeAlias = Literal[
    "t_submit", "t_depend", "t_priority", "t_sched", "t_run", "t_cleanup", "t_inactive"
]
Comparison: TypeAlias = Literal["<", "<=", ">", ">="]


class And(Struct, frozen=True):
    """All of these; true if there are none."""

    terms: tuple["Constraint", ...] = ()


class Or(Struct, frozen=True):
    """Any of these; true if there are none (RFC 31)."""

    terms: tuple["Constraint", ...] = ()


class Not(Struct, frozen=True):
    """Not all of these; false if there are none (RFC 31)."""

    terms: tuple["Constraint", ...] = ()


class Userids(Struct, frozen=True):
    """Submitted by one of these users."""

    ids: frozenset[int]


class Names(Struct, frozen=True):
    """Has one of these names."""

    names: frozenset[str]


class Queues(Struct, frozen=True):
    """In one of these queues; a job without a queue is in none."""

    queues: frozenset[str]


class States(Struct, frozen=True):
    """In one of these states (bits of protocol.job.State)."""

    mask: int


class Results(Struct, frozen=True):
    """Inactive, with one of these results (bits of protocol.job.Result)."""

    mask: int


class Hosts(Struct, frozen=True):
    """Was given one of these hosts."""

    hosts: frozenset[str]


class Ranks(Struct, frozen=True):
    """Was given one of these ranks."""

    ranks: frozenset[int]


class When(Struct, frozen=True):
    """A time of the job compares so with `t` (UNIX time); false if it has not come."""

    attribute: Attribute
    comparison: Comparison
    t: float


Constraint: TypeAlias = (
    And | Or | Not | Userids | Names | Queues | States | Results | Hosts | Ranks | When
)

TRUE: Final = And()
FALSE: Final = Not()


def encode(constraint: Constraint) -> dict[str, Any]:  # noqa: C901, PLR0911 - a case each
    """The object of a payload that stands for a constraint."""
    match constraint:
        case And(terms):
            return {"and": [encode(term) for term in terms]}
        case Or(terms):
            return {"or": [encode(term) for term in terms]}
        case Not(terms):
            return {"not": [encode(term) for term in terms]}
        case Userids(ids):
            return {"userid": sorted(ids)}
        case Names(names):
            return {"name": sorted(names)}
        case Queues(queues):
            return {"queue": sorted(queues)}
        case States(mask):
            return {"states": [mask]}
        case Results(mask):
            return {"results": [mask]}
        case Hosts(hosts):
            return {"hostlist": [hostlist.format(sorted(hosts))] if hosts else []}
        case Ranks(ranks):
            return {"ranks": [idset.format(ranks)]}
        case When(attribute, comparison, t):
            return {attribute: [f"{comparison}{t!r}"]}
