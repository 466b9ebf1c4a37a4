"""Reading an archive while the daemon writes it: one job, some of them, or all in their order.

Rows are never changed, so every read is a short transaction of its own and none holds up the
writer's log: first the ids of a page from an index, then job by job. Memory holds one job.
"""

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec
from msgspec import Struct

from jobmgrd.archive.record import ArchivedJob
from jobmgrd.archive.schema import COLUMNS, FORMAT, MISSING, archive_error, open_reader
from jobmgrd.store.port import StoreError
from jobmgrd.store.version import version_of

PAGE: Final = 1000
"""Ids that are read at a time."""

_STREAMS: Final = ("output", "input")

# Each condition holds the name of the Filter's field that it takes.
_CONDITIONS: Final[Mapping[str, str]] = {
    "since": "t_clean >= :since",
    "before": "t_clean < :before",
    "userid": "userid = :userid",
    "queue": "queue = :queue",
    "name": "name = :name",
    "result": "result = :result",
    "ids": "id IN (SELECT value FROM json_each(:ids))",
}


class Filter(Struct, frozen=True, omit_defaults=True):
    """Which jobs: all conditions that are not None hold. Times are of the end, `t_clean`."""

    since: float | None = None
    before: float | None = None
    userid: int | None = None
    queue: str | None = None
    name: str | None = None
    result: int | None = None  # protocol.job.Result
    ids: Sequence[int] | None = None


class ArchiveReader:
    """The archive at `path`, open for reading; a context manager, for one thread at a time.

    Every method raises ArchiveError if the file cannot be read or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._errors():
            self._db = open_reader(path)
            missing = MISSING.get(version_of(self._db, path, FORMAT), ())
        self._whole = _select(without=missing)
        self._brief = _select(without=(*missing, *_STREAMS))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._db.close()

    def find(self, id: int) -> ArchivedJob | None:
        """The job with this id."""
        return self._get(self._whole, id)

    def newest(self, which: Filter, limit: int | None = None) -> Iterator[ArchivedJob]:
        """At most `limit` jobs, the last to end first; output and input are left out (as "")."""
        ids = islice(self._ids(which, newest=True), limit)
        return (job for id in ids if (job := self._get(self._brief, id)))

    def all(self, which: Filter) -> Iterator[ArchivedJob]:
        """The jobs in the order of their end, with everything."""
        return (job for id in self._ids(which) if (job := self._get(self._whole, id)))

    def count(self, which: Filter) -> int:
        """How many jobs there are."""
        where, values = _where(which)
        with self._errors():
            text = f"SELECT count(*) FROM job WHERE {where}"  # noqa: S608 - constants
            (count,) = self._db.execute(text, values).fetchone()
        return int(count)

    def _get(self, text: str, id: int) -> ArchivedJob | None:
        with self._errors():
            row = self._db.execute(text, (id,)).fetchone()
        return ArchivedJob(*row) if row else None

    def _ids(self, which: Filter, *, newest: bool = False) -> Iterator[int]:
        where, values = _where(which)
        compare, order = ("<", "DESC") if newest else (">", "ASC")
        text = (
            f"SELECT t_clean, id FROM job WHERE {where} AND (t_clean, id) {compare} (:t, :id)"  # noqa: S608 - constants
            f" ORDER BY t_clean {order}, id {order} LIMIT {PAGE}"
        )
        t, id = (float("inf") if newest else float("-inf")), 0
        while True:
            with self._errors():
                page = self._db.execute(text, {**values, "t": t, "id": id}).fetchall()
            yield from (id for _, id in page)
            if len(page) < PAGE:
                return
            t, id = page[-1]

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, StoreError) as error:
            raise archive_error(error, self.path) from error


def _select(without: Collection[str]) -> str:
    """The statement that reads a job, with "" for some columns."""
    names = (f"'' AS {name}" if name in without else name for name in COLUMNS)
    return f"SELECT {', '.join(names)} FROM job WHERE id = ?"  # noqa: S608 - constants


def _where(which: Filter) -> tuple[str, dict[str, Any]]:
    """The conditions that are set, as SQL, and their values."""
    values = {
        key: value for key, value in msgspec.structs.asdict(which).items() if value is not None
    }
    if which.ids is not None:
        values["ids"] = msgspec.json.encode(which.ids).decode()
    return " AND ".join(["TRUE", *(_CONDITIONS[key] for key in values)]), values
