"""Stores and archives of every released version are opened, whole; newer ones are left alone."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from jobmgrd import VERSION
from jobmgrd.archive.check import check as check_archive
from jobmgrd.archive.port import ArchiveError
from jobmgrd.archive.reader import ArchiveReader, Filter
from jobmgrd.archive.schema import FORMAT as ARCHIVE
from jobmgrd.archive.schema import open_writer as open_archive
from jobmgrd.archive.sqlite import SqliteArchive
from jobmgrd.store import rows
from jobmgrd.store.check import check
from jobmgrd.store.port import InactiveRow, StoreError, Tombstone
from jobmgrd.store.schema import FORMAT as STORE
from jobmgrd.store.schema import open_writer as open_store
from jobmgrd.store.sqlite import SqliteStore
from jobmgrd.store.version import FileFormat, upgrade, version_of
from protocol.job import Result
from tests.conftest import DaemonProcess
from tests.e2e.jobs import events, names
from tests.upgrade.released import make, versions

PURGED, PINNED, HELLO, FAILED, LAST = 385875968, 436207616, 452984832, 503316480, 520093696
RUNNING = [989855744, 1023410176]
QUEUED = [1358954496, 1375731712]
"""The jobs of every released store. The last two groups were active when it ended."""


def tables(path: Path) -> set[tuple[str, ...]]:
    """The schema of a file, white space aside."""
    with closing(sqlite3.connect(path)) as db:
        found = db.execute("SELECT type, name, sql FROM sqlite_schema WHERE sql NOT NULL")
        return {(type, name, re.sub(r"\s*([,() ])\s*", r"\1", sql)) for type, name, sql in found}


def test_there_is_a_file_of_every_released_version() -> None:
    """The changelog names them; the one in this tree is to come."""
    text = Path(__file__).parents[2].joinpath("CHANGELOG.md").read_text()
    assert versions() == sorted(re.findall(r"^## (\S+)", text, re.MULTILINE))
    assert VERSION in versions()


@pytest.mark.parametrize("version", versions())
class TestEveryVersion:
    """What it wrote is read."""

    async def test_its_store_becomes_the_newest(self, version: str, tmp_path: Path) -> None:
        """The same tables as in a new one, and everything is in them."""
        path = tmp_path / "state" / "jobs.sqlite"
        make(version, "store", path)
        store = SqliteStore(path)
        recovered = await store.open()
        assert [row.id for row in recovered.active] == RUNNING + QUEUED
        assert [pin.id for pin in recovered.pins] == [PINNED]
        assert recovered.epoch  # a store that has none is given one
        assert isinstance(await store.find(PURGED), Tombstone)
        failed = await store.find(FAILED)
        assert isinstance(failed, InactiveRow)
        assert failed.result == Result.FAILED
        assert failed.fate == rows.replay(failed).fate
        assert b"hello" in await store.output(HELLO)
        assert [orphan.row.id for orphan in await store.orphans()] == [77]
        assert [record.jobs for record in await store.purge_log(0, 9)] == [(PURGED,)]
        assert sum(total.n for total in await store.totals()) == 5
        await store.close()
        assert check(path).faults == ()
        open_store(tmp_path / "new.sqlite", "os").close()
        assert tables(path) == tables(tmp_path / "new.sqlite")

    async def test_its_archive_becomes_the_newest(self, version: str, tmp_path: Path) -> None:
        """As the store."""
        path = tmp_path / "archive.sqlite"
        make(version, "archive", path)
        before = path.read_bytes()
        with ArchiveReader(path) as reader:  # one that was moved away is read as it is
            assert [job.id for job in reader.newest(Filter())] == [PURGED]
            old = reader.find(PURGED)
        assert path.read_bytes() == before
        archive = SqliteArchive(path)
        await archive.open()
        await archive.close()
        with ArchiveReader(path) as reader:
            assert list(reader.all(Filter())) == [old]
        assert check_archive(path).faults == ()
        open_archive(tmp_path / "new.sqlite").close()
        assert tables(path) == tables(tmp_path / "new.sqlite")

    def test_a_daemon_goes_on_with_it(self, version: str, stopped_daemon: DaemonProcess) -> None:
        """Jobs that ran are there and can be ended, queued ones run then; nothing is lost."""
        daemon = stopped_daemon
        make(version, "store", daemon.statedir / "jobs.sqlite")
        make(version, "archive", daemon.statedir / "archive.sqlite")
        daemon.configure("[job-manager.archive]\n")
        daemon.start()
        for id in RUNNING:
            daemon.rpc("job-manager.raise", {"id": id, "type": "cancel", "severity": 0})
            assert "exception" in names(events(daemon, id))
        for id in QUEUED:
            assert "start" in names(events(daemon, id))
        reply = daemon.rpc("job-manager.purge", {"num_limit": 0, "force": True})
        assert reply["count"] == 7  # all but the one that is pinned
        assert daemon.rpc("job-manager.stats-get")["inactive_jobs"] == 1


class TestFate:
    """Version 2 of a store keeps a fate of every job that has ended."""

    def upgraded(self, path: Path, logs: list[bytes]) -> list[int | None]:
        """The fates of jobs 1, 2, ... in the order of these eventlogs; all but the first ran."""
        make("0.1.0", "store", path)
        with closing(sqlite3.connect(path)) as db, db:
            for id, log in enumerate(logs, 1):
                db.execute("INSERT INTO ended VALUES (?1, 1, 1, 0, ?1 + 100, NULL, 0, '')", (id,))
                wide = (id + 100, 0.0 if id == 1 else 5.0, log)
                db.execute("INSERT INTO inactive (ord, t_run, eventlog) VALUES (?, ?, ?)", wide)
        with closing(open_store(path, "os")) as db:
            fates = dict(db.execute("SELECT id, fate FROM ended"))
        assert fates[PURGED] is None
        return [fates[id] for id in range(1, len(logs) + 1)]

    def test_that_of_older_jobs_is_told_from_their_eventlogs(self, tmp_path: Path) -> None:
        """What came first decides; what looks like an event is none; what is broken is unknown."""
        submit = b'{"timestamp":1.0,"name":"submit"}\n'
        start = b'{"timestamp":2.0,"name":"start"}\n'
        finish = b'{"timestamp":3.0,"name":"finish","context":{"status":0}}\n'
        fatal = b'{"timestamp":3.0,"name":"exception","context":{"severity":0,"note":"a\\nb"}}\n'
        mild = fatal.replace(b'"severity":0', b'"severity":1')
        memo = b'{"timestamp":2.0,"name":"memo","context":{"name":"start","note":"finish"}}\n'
        logs = [
            submit + fatal,
            submit + memo + mild + finish + fatal,
            submit + start + mild + finish,
            submit + start + fatal + finish,
            submit + b"broken\n",
            submit + b'"start"\n' + start,
            submit + fatal + b"\n\n",
        ]
        assert self.upgraded(tmp_path / "store", logs) == [4, 1, 3, 7, None, 3, 5]


class TestNewer:
    """A file of a version that is not known yet."""

    async def test_it_is_refused_and_not_a_byte_changes(self, tmp_path: Path) -> None:
        """Neither a store nor an archive."""
        paths = tmp_path / "jobs.sqlite", tmp_path / "archive.sqlite"
        open_store(paths[0], "os").close()
        open_archive(paths[1]).close()
        for path in paths:
            with closing(sqlite3.connect(path)) as db:
                db.execute("PRAGMA user_version = 99")
        before = [path.read_bytes() for path in paths]
        store, archive = SqliteStore(paths[0]), SqliteArchive(paths[1])
        with pytest.raises(StoreError, match="version 99, written by a newer jobmgrd"):
            await store.open()
        with pytest.raises(ArchiveError, match="version 99, written by a newer jobmgrd"):
            await archive.open()
        with pytest.raises(StoreError, match="version 99"):
            check(paths[0])
        await store.close()
        await archive.close()
        assert [path.read_bytes() for path in paths] == before


class TestMigration:
    """How a file moves on, shown on formats that are yet to come."""

    first = FileFormat("a test", 7, 1, "CREATE TABLE job (id INTEGER PRIMARY KEY);")
    third = FileFormat(
        "a test",
        7,
        3,
        "",
        {
            1: "ALTER TABLE job ADD COLUMN name TEXT DEFAULT 'none';",
            2: "UPDATE job SET name = name || id;",
        },
    )

    def written(self, path: Path) -> Path:
        """A file of the first version, with a job."""
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            upgrade(db, version_of(db, path, self.first), self.first)
            db.execute("INSERT INTO job VALUES (5)")
        return path

    def test_all_steps_are_taken_in_order(self, tmp_path: Path) -> None:
        """From where it is to the newest."""
        path = self.written(tmp_path / "file")
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            upgrade(db, version_of(db, path, self.third), self.third)
            assert version_of(db, path, self.third) == 3
            assert db.execute("SELECT * FROM job").fetchall() == [(5, "none5")]

    def test_one_that_fails_leaves_the_file_as_it_was(self, tmp_path: Path) -> None:
        """Also the steps before it."""
        path = self.written(tmp_path / "file")
        broken = FileFormat("a test", 7, 3, "", {1: self.third.migrations[1], 2: "SELECT * FRO;"})
        with (
            closing(sqlite3.connect(path, isolation_level=None)) as db,
            pytest.raises(sqlite3.Error),
        ):
            upgrade(db, version_of(db, path, broken), broken)
        with closing(sqlite3.connect(path)) as db:
            assert version_of(db, path, self.first) == 1
            assert db.execute("SELECT * FROM job").fetchall() == [(5,)]

    @pytest.mark.parametrize("format", [STORE, ARCHIVE])
    def test_no_step_is_missing(self, format: FileFormat) -> None:
        """From version 1 to the newest."""
        assert sorted(format.migrations) == list(range(1, format.version))
