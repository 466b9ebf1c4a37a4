"""The retention domain's History, asked of an SQLite connection."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from jobmgrd.jobs.retention import Candidate
from jobmgrd.store import statements as sql

MAX_ID: Final = 2**63 - 1  # SQLite's integers; no job with a larger id was ever kept


class Given(NamedTuple):
    """An inactive job: its class, where its wide row is, and what it counts as."""

    rule: int
    ord: int
    queue: str
    result: int


class SqliteHistory:
    """A jobmgrd.jobs.retention.History: the head, the length and the age of each class.

    It sees what the connection sees: its own transaction on the writer, a snapshot on a reader.
    It is made for one decision, and remembers of the candidates that it gave what removing them
    takes, so that nothing is looked up twice.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.given: dict[int, Given] = {}

    def counts(self) -> Mapping[int, int]:
        """The number of jobs in each class that has any."""
        return dict(self._db.execute(sql.COUNTS))

    def oldest(self, rule: int, limit: int) -> Sequence[Candidate]:
        """At most `limit` jobs of a class, oldest first."""
        return self._give(self._db.execute(sql.OLDEST, (rule, limit)))

    def count_before(self, rule: int, t: float) -> int:
        """How many jobs of a class have `t_clean` < t."""
        (count,) = self._db.execute(sql.COUNT_BEFORE, (rule, t)).fetchone()
        return int(count)

    def position(self, job: Candidate) -> int:
        """How many jobs of its class go before this one, counted along the index."""
        (count,) = self._db.execute(sql.POSITION, (job.rule, job.t_clean, job.id)).fetchone()
        return int(count)

    def find(self, ids: Sequence[int]) -> Sequence[Candidate]:
        """Those of these jobs that are inactive, held or not."""
        return self._give(self._db.execute(sql.FIND_MANY, (id_array(ids),)))

    def _give(self, rows: Iterable[tuple[Any, ...]]) -> Sequence[Candidate]:
        candidates = []
        for t_clean, id, rule, ord, queue, result in rows:
            candidates.append(Candidate(t_clean, id, rule))
            self.given[id] = Given(rule, ord, queue, result)
        return candidates


def id_array(ids: Iterable[int]) -> str:
    """A set of ids as the one parameter that statements take it by."""
    return msgspec.json.encode([id for id in ids if 0 <= id <= MAX_ID]).decode()
