"""The bare limit of lists: SQLite alone reads the same rows of the same file."""

import sqlite3
import time
from collections.abc import Mapping
from typing import Any

from scripts.benchmark.figures import percentile
from scripts.benchmark.workers import arguments, say

TIMES = 15
ALL = -1

# jobmgrd.store.schema says what these tables are
_SELECT = """
SELECT id, userid, name, queue, t_run, t_cleanup, result, attrs
FROM ended JOIN inactive USING (ord)
WHERE rule = 0 AND seq IS NULL AND {} ORDER BY t_clean DESC, id DESC LIMIT ?
"""
_WHERE = {"userid": "userid = ?", "queue": "queue = ?", "results": "result = ?"}


def main(path: str, queries: Mapping[str, Any], limit: int) -> None:
    """Say of each query p50, in milliseconds, and how many rows there were."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    db.execute("PRAGMA cache_size = -65536")
    for constraint in queries.values():
        where, values = _sql(constraint)
        text = _SELECT.format(where)
        taken, rows = [], 0
        for _ in range(1 if limit == ALL else TIMES):
            begin = time.perf_counter()
            rows = sum(1 for _ in db.execute(text, (*values, limit)))
            taken.append((time.perf_counter() - begin) * 1e3)
        say(p50=percentile(taken, 50), rows=rows)
    db.close()


def _sql(constraint: dict[str, list[Any]]) -> tuple[str, list[Any]]:
    for name, values in constraint.items():
        if name == "t_inactive":
            return "t_clean < ?", [float(values[0].lstrip("<"))]
        return _WHERE[name], values
    return "1", []


if __name__ == "__main__":
    main(**arguments())
