"""Copies of a store that is written to, and a store that goes back in time."""
# ruff: noqa: ASYNC240 - a test may look at a file while its loop waits

import asyncio
import errno
import shutil
import stat
from pathlib import Path

import pytest

from jobmgrd.store.backup import back_up, restore, snapshot
from jobmgrd.store.check import check
from jobmgrd.store.port import Changes, InactiveRow, StoreError, StoreLockedError
from jobmgrd.store.sqlite import SqliteStore
from protocol import jobid
from tests.store.sample import active, db_path, ended, keep, purge, queued

HOUR = 3600.0


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Where the copy goes."""
    return tmp_path / "copy.sqlite"


async def filled(path: Path, *, jobs: int = 10) -> SqliteStore:
    """An open store with jobs 1 to `jobs`, ended, and one active."""
    store = SqliteStore(path)
    await store.open()
    await store.write(Changes(ended=[ended(n) for n in range(1, jobs + 1)]))
    await store.write(Changes(active=[queued(1000)], meta={"exec": b"uuid 7"}))
    return store


class TestCopy:
    """A backup is one moment of the store."""

    async def test_it_has_all_that_was_answered(self, tmp_path: Path, copy: Path) -> None:
        """Also what is in the log alone, and nothing that came later; for the owner alone."""
        store = await filled(db_path(tmp_path))
        back_up(db_path(tmp_path), copy, 1.0)
        await store.write(Changes(active=[active(2000)]))
        await store.close()
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        found = check(copy)
        assert (found.active, found.inactive, found.faults) == (1, 10, ())
        assert {file.name for file in tmp_path.iterdir()} == {"state", "copy.sqlite"}

    async def test_it_is_consistent_while_a_daemon_writes(self, tmp_path: Path) -> None:
        """Jobs move from active to ended to purged meanwhile: in each copy the sums are right."""
        store = await filled(db_path(tmp_path))
        done = asyncio.Event()

        async def write() -> int:
            n = 2000
            while not done.is_set():
                n += 1
                await store.write(Changes(active=[queued(n)]))
                await store.write(Changes(ended=[ended(n)]))
                if n % 5 == 0:
                    await purge(store, keep(7, batch=3))
            return n

        writing = asyncio.create_task(write())
        for n in range(10):
            await asyncio.to_thread(back_up, db_path(tmp_path), tmp_path / f"{n}", 1.0)
        done.set()
        assert await writing > 2010
        await store.close()
        assert [check(tmp_path / f"{n}").faults for n in range(10)] == [()] * 10

    @pytest.mark.parametrize("way", ["restored", "put in place by hand"])
    async def test_who_goes_on_with_it_begins_another_epoch(
        self, tmp_path: Path, copy: Path, way: str
    ) -> None:
        """Each time anew; the store that it was made of goes on in its own."""
        epochs = []
        for place in ("first", "first", "second", "third"):
            path = tmp_path / place / "jobs.sqlite"
            if not path.exists() and place != "first":
                path.parent.mkdir(mode=0o700)
                if way == "restored":
                    restore(copy, path, 2.0)
                else:
                    shutil.copy(copy, path)
            store = SqliteStore(path)
            epochs.append((await store.open()).epoch)
            await store.close()
            if not copy.exists():
                back_up(path, copy, 1.0)
        assert all(epochs)
        assert epochs[0] == epochs[1]
        assert len(set(epochs)) == 3

    async def test_nothing_is_written_over(self, tmp_path: Path, copy: Path) -> None:
        """A file that has the name stays as it is."""
        await (await filled(db_path(tmp_path))).close()
        copy.write_text("mine")
        with pytest.raises(StoreError, match="is there already"):
            back_up(db_path(tmp_path), copy, 1.0)
        with pytest.raises(StoreError, match="is there already"):
            snapshot(copy, copy)
        assert copy.read_text() == "mine"

    def test_what_is_no_store_is_not_copied(self, tmp_path: Path, copy: Path) -> None:
        """Neither a file that is missing, nor one of something else; nothing is left behind."""
        (tmp_path / "text").write_text("hello, I am no database at all")
        for source in ("missing", "text"):
            with pytest.raises(StoreError, match=source):
                back_up(tmp_path / source, copy, 1.0)
        assert [file.name for file in tmp_path.iterdir()] == ["text"]


class TestRestore:
    """The store is as it was, but for what must not happen twice."""

    async def test_ids_given_out_since_are_not_given_out_again(
        self, tmp_path: Path, copy: Path
    ) -> None:
        """Ids are times: those of all the time since the backup are used up."""
        store = await filled(db_path(tmp_path))
        back_up(db_path(tmp_path), copy, 5000.0)
        later = (1000 >> 24) + int(HOUR * 1000) << 24
        await store.write(Changes(active=[active(later)]))
        await store.close()
        assert restore(copy, db_path(tmp_path), 5000.0 + HOUR, replace=True, forget=["exec"]) == 1
        store = SqliteStore(db_path(tmp_path))
        recovered = await store.open()
        assert [row.id for row in recovered.active] == [1000]
        assert isinstance(await store.find(10), InactiveRow)
        await store.close()
        assert recovered.meta["exec"] == b""
        assert jobid.Generator(after=recovered.max_jobid).next(0) > later

    async def test_a_store_that_is_there_is_set_aside(self, tmp_path: Path, copy: Path) -> None:
        """With its log, only when asked to, and not over one that was set aside before."""
        path = db_path(tmp_path)
        store = await filled(path)
        back_up(path, copy, 1.0)
        await store.close()
        path.write_bytes(b"damaged" * 1000)
        path.with_name("jobs.sqlite-wal").write_bytes(b"a log of something else")
        with pytest.raises(StoreError, match="is there already") as error:
            restore(copy, path, 2.0)
        assert error.value.errnum == errno.EEXIST
        restore(copy, path, 2.0, replace=True)
        assert check(path).faults == ()
        assert path.with_name("jobs.sqlite.old").read_bytes().startswith(b"damaged")
        assert path.with_name("jobs.sqlite.old-wal").exists()
        with pytest.raises(StoreError, match="old is there already"):
            restore(copy, path, 3.0, replace=True)

    async def test_not_under_a_running_daemon(self, tmp_path: Path, copy: Path) -> None:
        """It holds the lock."""
        store = await filled(db_path(tmp_path))
        back_up(db_path(tmp_path), copy, 1.0)
        with pytest.raises(StoreLockedError):
            restore(copy, db_path(tmp_path), 2.0, replace=True)
        await store.close()

    async def test_only_a_backup_is_restored(self, tmp_path: Path) -> None:
        """A copy by cp may lack its log, and does not know its time."""
        await (await filled(db_path(tmp_path))).close()
        with pytest.raises(StoreError, match="is not a backup"):
            restore(db_path(tmp_path), tmp_path / "new" / "jobs.sqlite", 2.0)
        assert list((tmp_path / "new").glob("jobs.sqlite")) == []
