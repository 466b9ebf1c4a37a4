"""The SQLite file: who may use it, what it refuses, how it fails and how it shrinks."""
# ruff: noqa: ASYNC240 - a test may look at a file while its loop waits

import asyncio
import errno
import os
import sqlite3
import stat
import time
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from jobmgrd.jobs import retention
from jobmgrd.jobs.retention import Limits, Policy
from jobmgrd.store import schema, sqlite, tombstones, upkeep, writer
from jobmgrd.store.port import (
    Changes,
    InactiveRow,
    OutputRow,
    StoreError,
    StoreLockedError,
    Tombstone,
)
from jobmgrd.store.sqlite import SqliteStore
from tests.store.sample import active, db_path, ended

ALL = partial(retention.select, policy=Policy(Limits(num=0)), now=0.0, batch=100)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store is."""
    return db_path(tmp_path)


class TestFile:
    """Permissions, lock, version."""

    async def test_it_is_the_owners_alone(self, path: Path) -> None:
        """The directory is 0700; the file, its log and its lock are 0600."""
        store = SqliteStore(path)
        await store.open()
        await store.write(Changes(active=[active(1)]))
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        assert modes == {0o600}
        await store.close()

    async def test_a_second_daemon_is_told_who_the_first_is(self, path: Path) -> None:
        """The lock names the pid and the directory, and is free again after close."""
        first = SqliteStore(path)
        await first.open()
        second = SqliteStore(path)
        with pytest.raises(StoreLockedError) as error:
            await second.open()
        text = f"another jobmgrd (pid {os.getpid()}) is using {path.parent}"
        assert (error.value.errnum, str(error.value)) == (errno.EBUSY, text)
        await second.close()
        await first.close()
        third = SqliteStore(path)
        await third.open()
        await third.close()

    async def test_a_newer_version_is_refused_and_left_alone(self, path: Path) -> None:
        """Not a byte of the file changes."""
        store = SqliteStore(path)
        await store.open()
        await store.close()
        with sqlite3.connect(path) as db:
            db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        db.close()
        before = path.read_bytes()
        store = SqliteStore(path)
        with pytest.raises(StoreError, match="newer jobmgrd") as error:
            await store.open()
        assert str(path) in str(error.value)
        assert path.read_bytes() == before
        await store.close()

    async def test_another_programs_database_is_refused(self, path: Path) -> None:
        """Tables of somebody else are not added to."""
        path.parent.mkdir()
        db = sqlite3.connect(path)
        db.execute("CREATE TABLE theirs (x)")
        db.close()
        store = SqliteStore(path)
        with pytest.raises(StoreError, match="is not a store of jobmgrd"):
            await store.open()
        await store.close()

    @pytest.mark.parametrize("damage", [b"not SQLite at all" * 100, None])
    async def test_a_damaged_file_is_named(self, path: Path, damage: bytes | None) -> None:
        """Foreign bytes, or a header whose rest is garbage: an error with the path, no hang."""
        store = SqliteStore(path)
        await store.open()
        await store.close()
        head = path.read_bytes()[:4096]
        path.write_bytes(damage or head[:100] + os.urandom(len(head) - 100))
        store = SqliteStore(path)
        with pytest.raises(StoreError) as error:
            await store.open()
        assert str(path) in str(error.value)
        await store.close()

    async def test_a_directory_that_cannot_be_made_is_an_error(self, tmp_path: Path) -> None:
        """A file where the directory should be is told with its errno."""
        (tmp_path / "file").touch()
        store = SqliteStore(tmp_path / "file" / "jobs.sqlite")
        with pytest.raises(StoreError) as error:
            await store.open()
        assert error.value.errnum in {errno.ENOTDIR, errno.EEXIST}
        await store.close()


class TestGroups:
    """Many operations, one commit."""

    async def test_what_waits_together_is_committed_together(self, path: Path) -> None:
        """A thousand writes asked at once take a handful of syncs."""
        store = SqliteStore(path)
        await store.open()
        await asyncio.gather(*(store.write(Changes(active=[active(n)])) for n in range(1000)))
        assert store.stats().commits < 100
        await store.close()

    async def test_a_bad_operation_fails_alone(self, path: Path) -> None:
        """Its neighbours in the group are kept, in order, whatever the column refused."""
        store = SqliteStore(path)
        await store.open()
        bad = Changes(active=[active(2**63)])
        changes = [Changes(active=[active(1)]), bad, Changes(ended=[ended(1), ended(2)])]
        asked = [store.write(change) for change in changes]
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert [isinstance(result, StoreError) for result in results] == [False, True, False]
        assert isinstance(await store.find(1), InactiveRow)
        await store.close()

    async def test_too_much_waiting_is_refused(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Beyond the bound a write fails with EAGAIN; those before it are kept."""
        monkeypatch.setattr(sqlite, "QUEUE_MAX", 3)
        store = SqliteStore(path)
        await store.open()
        asked = [store.write(Changes(active=[active(n)])) for n in range(1, 6)]
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert results[:3] == [None, None, None]
        assert [getattr(result, "errnum", 0) for result in results[3:]] == [errno.EAGAIN] * 2
        await store.close()

    async def test_a_cancelled_caller_disturbs_nobody(self, path: Path) -> None:
        """Results still reach those who asked after it, and reads take their turn."""
        store = SqliteStore(path)
        await store.open()
        store.write(Changes(ended=[ended(1)])).cancel()
        await store.write(Changes(ended=[ended(2)]))
        assert isinstance(await store.find(2), InactiveRow)
        await store.close()

    async def test_close_finishes_what_was_asked(self, path: Path) -> None:
        """A write whose future nobody awaited yet is done, and durable, after close."""
        store = SqliteStore(path)
        await store.open()
        asked = [store.write(Changes(active=[active(n)])) for n in range(50)]
        await store.close()
        assert all(future.done() for future in asked)
        store = SqliteStore(path)
        assert len((await store.open()).active) == 50
        await store.close()


class TestPurgeLog:
    """Records are kept while they are young, or explain a tombstone."""

    async def test_old_records_go_with_the_last_tombstone_that_they_explain(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The log begins at the oldest record that is there, and says so, also when reopened."""
        monkeypatch.setattr(tombstones, "PURGE_LOG_KEPT", 2)
        store = SqliteStore(path)
        await store.open()
        await store.write(Changes(ended=[ended(n) for n in range(1, 6)]))
        one = partial(retention.select, policy=Policy(Limits(num=0)), now=0.0, batch=1)
        for n in range(5):
            await store.purge(one, now=float(n), reason=f"why {n}", userid=0)
        assert await store.find(1) == Tombstone(1, 1, 0.0, "why 0", 1, 1.0, 1000)
        assert store.stats().purge_log_from == 1
        store.limit_tombstones(Limits(num=1))
        await store.write(Changes(ended=[ended(6)]))
        await store.purge(one, now=5.0, reason="why 5", userid=0)
        assert store.stats().purge_log_from == 5
        assert [record.seq for record in await store.purge_log(0, 9)] == [5, 6]
        await store.close()
        store = SqliteStore(path)
        await store.open()
        assert store.stats().purge_log_from == 5
        await store.close()


class TestTombstones:
    """They are trimmed while nobody asks for anything, too."""

    async def test_an_idle_store_trims_all_that_is_over(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In several steps, before it turns to other upkeep."""
        monkeypatch.setattr(upkeep, "IDLE_SECONDS", 0.01)
        store = SqliteStore(path, clock=lambda: 100.0)
        await store.open()
        await store.write(Changes(ended=[ended(n) for n in range(1, 1001)]))
        while await store.purge(ALL, now=50.0, reason="", userid=0):
            pass
        assert store.stats().tombstones == 1000 > 2 * tombstones.FORGET_MAX
        idle = asyncio.Event()
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(upkeep.Upkeep, "idle", lambda _: loop.call_soon_threadsafe(idle.set))
        store.limit_tombstones(Limits(age=49, num=10))
        while store.stats().tombstones:
            idle.clear()
            await idle.wait()
        assert await store.find(1000) is None
        await store.close()

    async def test_a_young_tombstone_is_looked_at_again(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It grows old while nothing else happens."""
        monkeypatch.setattr(writer, "_AGING_SECONDS", 0.01)
        monkeypatch.setattr(upkeep, "IDLE_SECONDS", 0.01)
        now = 100.0
        looks: asyncio.Queue[float] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def clock() -> float:
            t = now  # once: the test may set it while this thread goes on
            loop.call_soon_threadsafe(looks.put_nowait, t)
            return t

        store = SqliteStore(path, clock=clock)
        await store.open()
        await store.write(Changes(ended=[ended(1)]))
        store.limit_tombstones(Limits(age=10))
        await store.purge(ALL, now=100.0, reason="", userid=0)
        for _ in range(5):
            await looks.get()
        assert store.stats().tombstones == 1
        now = 111.0
        while await looks.get() < now:
            pass
        await store.write(Changes())  # the look is over
        assert store.stats().tombstones == 0
        await store.close()


class TestShrink:
    """Space goes back to the file system."""

    async def test_the_file_shrinks_while_commits_are_answered(self, path: Path) -> None:
        """After purging all, the file is small again, and writes meanwhile succeed."""
        store = SqliteStore(path)
        await store.open()
        empty = store.stats().size
        rows = [ended(n) for n in range(1, 3001)]
        output = [OutputRow(n, bytes(4000)) for n in range(1, 3001)]
        await store.write(Changes(ended=rows, output=output))
        while await store.purge(ALL, now=0.0, reason="", userid=0):
            pass
        assert store.stats().free > 1 << 20
        slowest = 0.0
        while store.stats().free:
            start = time.monotonic()
            await store.write(Changes(active=[active(1)]))
            slowest = max(slowest, time.monotonic() - start)
        assert slowest < 1.0  # 0.01 on an idle machine
        await store.close()
        assert path.stat().st_size < empty + 3000 * 100

    async def test_tombstones_are_small(self, path: Path) -> None:
        """A purged job keeps less than 100 bytes, its share of the purge log included."""
        store = SqliteStore(path)
        await store.open()
        await store.write(Changes(ended=[replace(ended(n << 24), fate=3) for n in range(1, 5001)]))
        while await store.purge(ALL, now=1.7e9, reason="age-limit", userid=1000):
            pass
        await store.close()
        db = sqlite3.connect(path)
        db.execute("VACUUM")
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.close()
        assert pages * 4096 < 5000 * 100
