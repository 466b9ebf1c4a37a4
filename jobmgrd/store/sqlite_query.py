"""Lists inactive jobs from SQLite: constraints become parameterised SQL, asked a step at a time.

A walk goes from the last job to end towards the first, in steps that take a few milliseconds
each, however few jobs the constraint lets through: a step looks at a span of the index and no
further. So a search through a million jobs delays other questions no more than one page does,
and keeps nothing but its place. Userid, queue, result and t_inactive are in the index; for other
constraints the wide rows are read, which takes ten times longer.

Every text of SQL below is ours. What came in a message is bound as a parameter.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from heapq import nlargest
from typing import Any, Final, TypeAlias

from jobmgrd.jobs.match import assume
from jobmgrd.store import statements as sql
from jobmgrd.store.listed import REST, describing
from jobmgrd.store.port import Listed, Query
from jobmgrd.store.sqlite_history import MAX_ID
from protocol import hostlist, idset
from protocol.constraint import (
    FALSE,
    And,
    Attribute,
    Constraint,
    Hosts,
    Names,
    Not,
    Or,
    Queues,
    Ranks,
    Results,
    Userids,
    When,
)
from protocol.constraint_reader import OPERATORS_MAX
from protocol.job import State

STEP_SECONDS: Final = 0.003
"""What a step should take: spans that hold too few jobs grow, and shrink, by it."""
SPAN_MAX: Final = 65536

_Place: TypeAlias = tuple[float, int]  # t_clean, id
_Row: TypeAlias = tuple[Any, ...]  # t_clean, id, and the columns that the attributes need
_Sql: TypeAlias = tuple[str, list[Any]]  # an expression that is 0 or 1, and its parameters

_NARROW: Final = frozenset({"t_clean", "id", "userid", "queue", "result"})
"""The columns that the index has."""
_NODELIST: Final = REST.index("nodelist")
_RANKS: Final = REST.index("ranks")
_END: Final[_Place] = (float("inf"), 0)
_BEGIN: Final[_Place] = (float("-inf"), 0)


class Walk:
    """One listing under way. Used by one thread at a time."""

    def __init__(self, query: Query, page: int) -> None:
        constraint = assume(query.constraint, State.INACTIVE)
        after, self._place = _bounds(constraint)
        self._after = max(after, (query.since, MAX_ID))
        where, self._parameters = _expression(constraint)
        self._description = describing(query.attrs)
        columns = ["t_clean", "id", *self._description.columns]
        join = "LEFT JOIN" if _NARROW.issuperset(columns) else "CROSS JOIN"
        self._text = sql.LISTED.format(", ".join(columns), join, where)
        self._page = page
        self._span = page
        self.done = constraint == FALSE

    def step(self, db: sqlite3.Connection) -> Sequence[Listed]:
        """The next jobs, at most a page; perhaps none, before it is done."""
        begin = time.monotonic()
        classes = [rule for (rule,) in db.execute(sql.CLASSES)]
        floor = max((self._floor(db, rule) for rule in classes), default=_BEGIN)
        after = max(floor, self._after)
        rows = [row for rule in classes for row in self._rows(db, rule, after)]
        if len(classes) > 1:
            rows = nlargest(self._page, rows)
        full = len(rows) == self._page
        if full:
            t_clean, id, *_ = rows[-1]
            self._place = (t_clean, id)
        else:
            self._place = after
            self.done = after == self._after
        self._pace(time.monotonic() - begin, full=full)
        return self._description.jobs(rows)

    def _floor(self, db: sqlite3.Connection, rule: int) -> _Place:
        """The last place of a class that is within the span."""
        found = db.execute(sql.FLOOR, (rule, *self._place, self._span - 1)).fetchone()
        return found or _BEGIN

    def _rows(self, db: sqlite3.Connection, rule: int, after: _Place) -> Iterable[_Row]:
        values = (rule, *self._place, *after, *self._parameters, self._page)
        return db.execute(self._text, values)

    def _pace(self, seconds: float, *, full: bool) -> None:
        if seconds < STEP_SECONDS / 2 and not full:
            self._span = min(self._span * 2, SPAN_MAX)
        elif seconds > STEP_SECONDS:
            self._span = max(self._span // 2, self._page)


def register(db: sqlite3.Connection) -> None:
    """Give a connection the functions that constraints use."""
    db.create_function("shares_host", 2, _shares_host, deterministic=True)
    db.create_function("shares_rank", 2, _shares_rank, deterministic=True)


@lru_cache(1024)
def _shares_host(nodelist: str | None, hosts: str) -> bool:
    return nodelist is not None and not _hosts(hosts).isdisjoint(hostlist.parse(nodelist))


@lru_cache(1024)
def _shares_rank(ranks: str | None, wanted: str) -> bool:
    return ranks is not None and not _ranks(wanted).isdisjoint(idset.parse(ranks))


@lru_cache(OPERATORS_MAX)  # none of a constraint's is read twice
def _hosts(text: str) -> frozenset[str]:
    return frozenset(hostlist.parse(text))


@lru_cache(OPERATORS_MAX)
def _ranks(text: str) -> frozenset[int]:
    return frozenset(idset.parse(text))


def _bounds(constraint: Constraint) -> tuple[_Place, _Place]:
    """Places that jobs which satisfy the constraint are after, or at, and before."""
    after, before = _BEGIN, _END
    for term in constraint.terms if isinstance(constraint, And) else (constraint,):
        if isinstance(term, When) and term.attribute == "t_inactive":
            if term.comparison in (">", ">="):
                after = max(after, (term.t, 0))
            else:
                before = min(before, (term.t, MAX_ID))
    return after, before


def _expression(constraint: Constraint) -> _Sql:
    return _EXPRESSIONS[type(constraint)](constraint)


def _join(word: str, terms: Sequence[Constraint], empty: str) -> _Sql:
    texts, parameters = [], []
    for text, values in map(_expression, terms):
        texts.append(text)
        parameters += values
    return f"({word.join(texts)})" if texts else empty, parameters


def _and(constraint: And) -> _Sql:
    return _join(" AND ", constraint.terms, "1")


def _or(constraint: Or) -> _Sql:
    return _join(" OR ", constraint.terms, "1")


def _not(constraint: Not) -> _Sql:
    text, parameters = _join(" AND ", constraint.terms, "1")
    return f"NOT {text}", parameters


def _in(column: str, values: Iterable[object]) -> _Sql:
    values = list(values)
    return f"{column} IN ({','.join('?' * len(values))})", values


def _userids(constraint: Userids) -> _Sql:
    return _in("userid", constraint.ids)


def _names(constraint: Names) -> _Sql:
    return _in("name", constraint.names)


def _queues(constraint: Queues) -> _Sql:
    return _in("queue", constraint.queues - {""})


def _results(constraint: Results) -> _Sql:
    return "result & ? != 0", [constraint.mask]


def _on_hosts(constraint: Hosts) -> _Sql:
    text = hostlist.format(sorted(constraint.hosts))
    return f"shares_host(attrs ->> {_NODELIST}, ?)", [text]


def _on_ranks(constraint: Ranks) -> _Sql:
    return f"shares_rank(attrs ->> {_RANKS}, ?)", [idset.format(constraint.ranks)]


def _when(constraint: When) -> _Sql:
    column = _COLUMNS[constraint.attribute]
    return f"({column} != 0.0 AND {column} {constraint.comparison} ?)", [constraint.t]


_EXPRESSIONS: Final[Mapping[type[Constraint], Callable[[Any], _Sql]]] = {
    And: _and,
    Or: _or,
    Not: _not,
    Userids: _userids,
    Names: _names,
    Queues: _queues,
    Results: _results,
    Hosts: _on_hosts,
    Ranks: _on_ranks,
    When: _when,
}
_COLUMNS: Final[Mapping[Attribute, str]] = {
    "t_submit": "t_submit",
    "t_depend": "t_depend",
    "t_priority": "t_priority",
    "t_sched": "t_sched",
    "t_run": "t_run",
    "t_cleanup": "t_cleanup",
    "t_inactive": "t_clean",
}
