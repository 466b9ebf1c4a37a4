"""A store that is not sound is told, each fault by its name."""
# ruff: noqa: ASYNC240 - a test may look at a file while its loop waits

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from jobmgrd.store import schema
from jobmgrd.store.check import check
from jobmgrd.store.port import Changes, Orphan, OutputRow, StoreError
from jobmgrd.store.sqlite import SqliteStore
from tests.store.sample import active, db_path, ended, keep, purge, queued


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A store with something of everything, closed."""
    store = SqliteStore(db_path(tmp_path))
    await store.open()
    await store.write(
        Changes(
            active=[queued(1000), active(1001)],
            ended=[ended(n) for n in range(1, 300)],
            output=[OutputRow(7, b"x" * 5000), OutputRow(1000, b"y")],
        )
    )
    await store.write(Changes(orphans=[Orphan(active(1001), "no eventlog", 1.0)]))
    await purge(store, keep(290))
    await store.close()
    return db_path(tmp_path)


async def test_a_sound_store_is_counted(path: Path) -> None:
    """What it holds, and no fault."""
    found = check(path)
    assert found.faults == ()
    assert found.version == schema.VERSION
    assert (found.active, found.inactive, found.tombstones, found.orphans) == (1, 290, 9, 1)


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        ("DELETE FROM inactive WHERE ord = 20", "1 ended jobs whose record is missing"),
        ("INSERT INTO inactive (ord) VALUES (999)", "1 records of no ended job"),
        ("INSERT INTO active SELECT 20, 1, jobspec, R, eventlog FROM active", "both active and"),
        ("DELETE FROM purge_log", "9 purged jobs without a record of their purge"),
        ("INSERT INTO output VALUES (4242, 1, x'00')", "1 outputs of no job"),
        ("UPDATE ended SET queue = NULL WHERE id = 20", "1 ended jobs with values of the wrong"),
        ("UPDATE inactive SET eventlog = 'x' WHERE ord = 20", "1 records with values of the wrong"),
        ("UPDATE class_count SET n = n + 1", "1 retention classes that are counted wrong"),
        ("UPDATE queue_count SET kept = 5", "1 queues that are counted wrong"),
        ("UPDATE counter SET n = 7 WHERE name = 'purged'", "2 tombstones that are counted wrong"),
        ("UPDATE active SET eventlog = x'6e6f'", "job 1000 cannot be replayed: "),
    ],
)
async def test_each_broken_law_is_named(path: Path, damage: str, fault: str) -> None:
    """And nothing else is."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(damage)
    faults = [text for text in check(path).faults if fault in text]
    assert len(faults) == 1, check(path).faults


async def test_a_page_of_garbage_is_found(path: Path) -> None:
    """SQLite's own check says where; a start alone would not have met it."""
    data = bytearray(path.read_bytes())
    for start in range(4096 * 10, len(data), 4096):
        data[start : start + 16] = b"\xde\xad\xbe\xef" * 4
    path.write_bytes(data)
    assert check(path).faults


@pytest.mark.parametrize("content", [b"", b"some text, as long as a header would be" * 5])
def test_what_is_no_store_is_an_error(tmp_path: Path, content: bytes) -> None:
    """Not a fault: there is nothing to mend."""
    path = tmp_path / "file"
    path.write_bytes(content)
    if content:
        with pytest.raises(StoreError, match="damaged"):
            check(path)
    else:
        assert check(path).version == 0
    with pytest.raises(StoreError, match="missing"):
        check(tmp_path / "missing")
