"""The bare limit of the store: SQLite alone, the same file and rows, durable, in one thread."""

import sqlite3
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.benchmark.figures import percentile
from scripts.benchmark.workers import arguments, say

BATCH = 100

# jobmgrd.store.schema says what these tables are
_LAST = "SELECT max(id), max(ord) FROM ended"
_OLDEST = "SELECT id, ord FROM ended WHERE rule = 0 AND seq IS NULL ORDER BY t_clean, id LIMIT ?"
_DROP = "DELETE FROM inactive WHERE ord IN (SELECT value FROM json_each(?))"
_BURY = "UPDATE ended SET seq = ?, ord = NULL WHERE id IN (SELECT value FROM json_each(?))"
_LOG = "INSERT INTO purge_log (seq, t, reason, userid, jobs) VALUES (?, ?, 'purge', 0, ?)"


def main(path: str, task: str, count: int = 0, batch: int = BATCH) -> None:
    """Do a task, "insert" or "purge", in the store that a daemon has left."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA cache_size = -65536")
    if task == "insert":
        taken = [insert(db, min(batch, count - done)) for done in range(0, count, batch)]
        say(rate=count / sum(taken), p50=percentile(taken, 50) * 1e3)
    else:
        taken = []
        jobs = purge(db, batch, taken)
        db.execute("VACUUM")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        size = Path(path).stat().st_size
        say(rate=jobs / sum(taken), p50=percentile(taken, 50) * 1e3, size=size)
    db.close()


def insert(db: sqlite3.Connection, count: int) -> float:
    """Copy the job that ended last so many times; the seconds of the transaction."""
    id, ord = db.execute(_LAST).fetchone()
    tables = {table: _row(db, table, ord) for table in ("ended", "inactive")}
    begin = time.perf_counter()
    with transaction(db):
        for table, row in tables.items():
            places = ", ".join("?" * len(row))
            keys = [{"id": id + n, "ord": ord + n} for n in range(1, count + 1)]
            rows = ([key.get(name, value) for name, value in row.items()] for key in keys)
            db.executemany(f"INSERT INTO {table} VALUES ({places})", rows)  # noqa: S608 - constants
    return time.perf_counter() - begin


def _row(db: sqlite3.Connection, table: str, ord: int) -> dict[str, object]:
    cursor = db.execute(f"SELECT * FROM {table} WHERE ord = ?", (ord,))  # noqa: S608 - constants
    names = [name for name, *_ in cursor.description]
    return dict(zip(names, cursor.fetchone(), strict=True))


def purge(db: sqlite3.Connection, batch: int, taken: list[float]) -> int:
    """Delete all jobs, oldest first, a batch a transaction, and keep their tombstones.

    Returns how many they were; `taken` gets the seconds of each transaction.
    """
    jobs, gone = 0, batch
    while gone == batch:
        begin = time.perf_counter()
        with transaction(db):
            rows = db.execute(_OLDEST, (batch,)).fetchall()
            ids, ords = ([row[column] for row in rows] for column in (0, 1))
            db.execute(_DROP, (str(ords),))
            db.execute(_BURY, (len(taken) + 1, str(ids)))
            db.execute(_LOG, (len(taken) + 1, begin, array("q", ids).tobytes()))
        gone = len(rows)
        jobs += gone
        taken.append(time.perf_counter() - begin)
    return jobs


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """One commit."""
    db.execute("BEGIN IMMEDIATE")
    yield
    db.execute("COMMIT")


if __name__ == "__main__":
    main(**arguments())
