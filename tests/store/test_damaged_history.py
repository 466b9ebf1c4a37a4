"""Records of ended jobs that were damaged: they hold up neither lists nor purges."""

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from jobmgrd.archive.sqlite import SqliteArchive
from jobmgrd.jobs.attributes import ATTRIBUTES
from jobmgrd.jobs.retention import Limits, Policy, select
from jobmgrd.router import Router
from jobmgrd.services.purge_log import PurgeLog
from jobmgrd.services.purger import Purger
from jobmgrd.store.port import Changes, Query
from jobmgrd.store.sqlite import SqliteStore
from protocol.events import PurgeEvent
from tests.store.sample import db_path, ended

COLUMNS: Final[Mapping[str, Sequence[str]]] = {
    "inactive": (
        *("urgency", "priority", "t_submit", "t_depend", "t_run", "status"),
        *("name", "attrs", "jobspec", "R", "eventlog"),
    ),
    "ended": ("t_clean", "result", "userid", "queue"),
}
WRONG: Final = ("NULL", "1.5", "'text'", "x'ff00'", "CAST(x'fffe' AS TEXT)")
"""What a column may hold instead of its value."""


async def damaged(path: Path) -> SqliteStore:
    """An open store with one job for each column and value; the columns of one are all right."""
    cases = [(t, c, w) for t, columns in COLUMNS.items() for c in columns for w in WRONG]
    store = SqliteStore(path, durability="os")
    await store.open()
    await store.write(Changes(ended=[ended(n) for n in range(1, len(cases) + 2)]))
    await store.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for id, (table, column, wrong) in enumerate(cases, start=1):
            key = "id = ?" if table == "ended" else "ord = (SELECT ord FROM ended WHERE id = ?)"
            db.execute(f"UPDATE {table} SET {column} = {wrong} WHERE {key}", (id,))  # noqa: S608
    again = SqliteStore(path, durability="os")
    await again.open()
    return again


@pytest.mark.parametrize("archived", [True, False])
async def test_all_of_them_are_purged(tmp_path: Path, archived: bool) -> None:
    """The oldest first, as far as that can be told; the archive has what can be read of them."""
    store = await damaged(db_path(tmp_path))
    count = store.stats().inactive
    archive = SqliteArchive(tmp_path / "archive.sqlite") if archived else None
    if archive is not None:
        await archive.open()
    announced: list[PurgeEvent] = []
    router = Router(asyncio.create_task)
    log = PurgeLog(store, router, announced.append, epoch="", seq=0)
    purger = Purger(store, archive, log, lambda: 1e9)
    for limits in (Limits(age=1.0), Limits(num=0)):
        choose = partial(select, policy=Policy(limits), now=1e9, batch=20)
        while await purger.purge(choose, "test", 0):
            pass
    assert sorted(id for event in announced for id in event.jobs) == list(range(1, count + 1))
    assert store.stats().inactive == 0
    if archive is not None:
        assert archive.stats().archived == count
        await archive.close()
    await store.close()


async def test_they_are_listed_with_the_others(tmp_path: Path) -> None:
    """Those whose end is a time, by which lists go."""
    store = await damaged(db_path(tmp_path))
    count = store.stats().inactive
    pages = [page async for page in store.list(Query(attrs=list(ATTRIBUTES)), 10)]
    timeless = sum(wrong != "1.5" for wrong in WRONG)
    assert len({job["id"] for page in pages for job in page}) == count - timeless
    assert len(await store.recent(count)) == count - timeless
    assert len(await store.rows(range(count + 1))) == count
    await store.close()
