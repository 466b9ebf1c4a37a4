"""Whether a job satisfies a constraint (RFC 43): a tree of constraints -> a predicate.

A store that answers the same question in its own language has to agree with this one.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import ge, gt, le, lt
from typing import Any, Final, TypeAlias

from jobmgrd.jobs import times
from jobmgrd.jobs.job import Job
from protocol.constraint import (
    FALSE,
    TRUE,
    And,
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
from protocol.job import State

Predicate: TypeAlias = Callable[[Job], bool]

COMPARE: Final[Mapping[Comparison, Callable[[float, float], bool]]] = {
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}


def predicate(constraint: Constraint) -> Predicate:
    """Whether a job satisfies a constraint, as a function."""
    return _TESTS[type(constraint)](constraint)


def assume(constraint: Constraint, states: State) -> Constraint:
    """The same constraint for jobs in one of these states, simpler if that decides some of it.

    TRUE and FALSE are themselves; so is every constraint that these states decide.
    """
    match constraint:
        case States(mask):
            return _decide(mask & states == states, mask & states != 0, constraint)
        case Results():
            return constraint if states & State.INACTIVE else FALSE
        case And(terms):
            return _all([assume(term, states) for term in terms])
        case Not(terms):
            return _negate(_all([assume(term, states) for term in terms]))
        case Or(terms) if terms:
            return _any([assume(term, states) for term in terms])
    return constraint


def _decide(always: bool, ever: bool, otherwise: Constraint) -> Constraint:
    if always:
        return TRUE
    return otherwise if ever else FALSE


def _all(terms: Sequence[Constraint]) -> Constraint:
    terms = [term for term in terms if term != TRUE]
    if FALSE in terms:
        return FALSE
    return terms[0] if len(terms) == 1 else And(tuple(terms))


def _any(terms: Sequence[Constraint]) -> Constraint:
    if TRUE in terms:
        return TRUE
    terms = [term for term in terms if term != FALSE]
    if not terms:
        return FALSE
    return terms[0] if len(terms) == 1 else Or(tuple(terms))


def _negate(constraint: Constraint) -> Constraint:
    if constraint in (TRUE, FALSE):
        return FALSE if constraint == TRUE else TRUE
    return Not((constraint,))


def _and(constraint: And) -> Predicate:
    tests = [predicate(term) for term in constraint.terms]
    return lambda job: all(term(job) for term in tests)


def _or(constraint: Or) -> Predicate:
    tests = [predicate(term) for term in constraint.terms]
    return lambda job: not tests or any(term(job) for term in tests)


def _not(constraint: Not) -> Predicate:
    tests = [predicate(term) for term in constraint.terms]
    return lambda job: not all(term(job) for term in tests)


def _userids(constraint: Userids) -> Predicate:
    return lambda job: job.userid in constraint.ids


def _names(constraint: Names) -> Predicate:
    return lambda job: job.jobspec.name in constraint.names


def _queues(constraint: Queues) -> Predicate:
    return lambda job: job.jobspec.queue != "" and job.jobspec.queue in constraint.queues


def _states(constraint: States) -> Predicate:
    return lambda job: job.state & constraint.mask != 0


def _results(constraint: Results) -> Predicate:
    return lambda job: job.state is State.INACTIVE and job.result & constraint.mask != 0


def _hosts(constraint: Hosts) -> Predicate:
    return lambda job: any(rank.host in constraint.hosts for rank in job.ranks)


def _ranks(constraint: Ranks) -> Predicate:
    return lambda job: any(rank.rank in constraint.ranks for rank in job.ranks)


def _when(constraint: When) -> Predicate:
    compare, t = COMPARE[constraint.comparison], constraint.t

    def compares(job: Job) -> bool:
        when = times.when(job, constraint.attribute)
        return when != 0.0 and compare(when, t)

    return compares


_TESTS: Final[Mapping[type[Constraint], Callable[[Any], Predicate]]] = {
    And: _and,
    Or: _or,
    Not: _not,
    Userids: _userids,
    Names: _names,
    Queues: _queues,
    States: _states,
    Results: _results,
    Hosts: _hosts,
    Ranks: _ranks,
    When: _when,
}
