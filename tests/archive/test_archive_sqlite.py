"""The archive's promises: durable when answered, once each, and well again after a failure."""

import asyncio
import errno
import json
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobmgrd.archive import schema
from jobmgrd.archive.port import ArchiveError
from jobmgrd.archive.reader import ArchiveReader, Filter
from jobmgrd.archive.record import inactive
from jobmgrd.archive.sqlite import SqliteArchive
from tests.archive.sample import OUTPUT, archive_path, job, row


def kept(path: Path) -> list[int]:
    """The ids in an archive, in the order of their end."""
    with ArchiveReader(path) as reader:
        return [found.id for found in reader.all(Filter())]


async def test_all_of_a_job_comes_back(archive: SqliteArchive, tmp_path: Path) -> None:
    """Every field, R and output included; the row before the purge can be told from it."""
    await archive.put([job(1, queue="batch", result=2)])
    with ArchiveReader(archive_path(tmp_path)) as reader:
        found = reader.find(1)
    assert found == job(1, queue="batch", result=2)
    assert inactive(found) == row(1, queue="batch", result=2)
    assert found.output == OUTPUT.decode()


async def test_a_batch_archived_twice_is_there_once(archive: SqliteArchive, tmp_path: Path) -> None:
    """A crash between archive and purge is harmless: the second time changes and counts nothing."""
    batch = [job(id) for id in range(1, 101)]
    await archive.put(batch[:50])
    await archive.put(batch)
    await archive.put(batch)
    assert kept(archive_path(tmp_path)) == list(range(1, 101))
    assert archive.stats().archived == 100


async def test_another_job_with_a_kept_id_is_refused(
    archive: SqliteArchive, tmp_path: Path
) -> None:
    """An archive that outlived its store must not swallow a job as "already there"."""
    await archive.put([job(1)])
    with pytest.raises(ArchiveError, match="holds another job with id 1") as caught:
        await archive.put([job(2), job(1, t_clean=77.0)])
    assert caught.value.errnum == errno.EEXIST
    assert kept(archive_path(tmp_path)) == [1]


async def test_puts_at_once_all_arrive(archive: SqliteArchive, tmp_path: Path) -> None:
    """Any number of purgers, and more jobs than one transaction takes."""
    await asyncio.gather(*(archive.put([job(id)]) for id in range(1, 20)))
    await archive.put([job(id) for id in range(1, 251)])
    assert kept(archive_path(tmp_path)) == list(range(1, 251))


async def test_only_the_owner_may_look(archive: SqliteArchive, tmp_path: Path) -> None:
    """File, log and directory are private: jobspecs hold environments."""
    await archive.put([job(1)])
    path = archive_path(tmp_path)
    for file in (path, path.with_name(path.name + "-wal")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    """A writing process is killed; every id that it had printed is in the file."""
    path = archive_path(tmp_path)
    argv = [sys.executable, "-m", "tests.archive.writing", "forever", str(path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for _ in range(20):
            child.stdout.readline()
        child.kill()
        last = [60, *map(int, child.stdout.read().split())][-1]
    ids = kept(path)
    assert ids == list(range(1, len(ids) + 1))
    assert len(ids) >= last
    assert len(ids) % 3 == 0, "a batch is kept whole or not at all"


def test_a_full_disk_fails_and_then_works_again(tmp_path: Path) -> None:
    """The failed batch is not there, the error names the file, and room is all it takes."""
    path = archive_path(tmp_path)
    argv = [sys.executable, "-m", "tests.archive.writing", "starved", str(path)]
    report = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    assert report["kept"] > 10
    assert report["errnum"] in (errno.EFBIG, errno.ENOSPC)
    assert report["text"].startswith(str(path))
    assert (report["failures"], report["last_error"]) == (1, report["text"])
    assert (report["archived"], report["last_error_after"]) == (report["kept"] + 2, "")
    assert kept(path) == list(range(1, report["kept"] + 3))


@contextmanager
def no_permission(directory: Path) -> Iterator[None]:
    """Close a directory; root, whom no mode stops, is another user meanwhile."""
    root = os.geteuid() == 0
    directory.chmod(0)
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        directory.chmod(0o700)


async def test_a_lost_permission_fails_and_then_works_again(tmp_path: Path) -> None:
    """EACCES while the directory is closed, without a new start once it is open."""
    path = archive_path(tmp_path)
    path.parent.mkdir(mode=0o700)
    archive = SqliteArchive(path)
    with no_permission(path.parent):
        with pytest.raises(ArchiveError, match=r"archive\.sqlite: Permission denied") as caught:
            await archive.put([job(1)])
        assert caught.value.errnum == errno.EACCES
    await archive.put([job(1)])
    await archive.close()
    assert kept(path) == [1]


async def test_a_directory_in_the_way_fails_and_then_works_again(tmp_path: Path) -> None:
    """The cause goes, and the same archive object goes on; failures are counted."""
    path = archive_path(tmp_path)
    path.mkdir(parents=True)
    archive = SqliteArchive(path)
    for _ in range(2):
        with pytest.raises(ArchiveError, match=r"archive\.sqlite: Is a directory"):
            await archive.open()
    assert archive.stats().failures == 2
    path.rmdir()
    await archive.put([job(1)])
    await archive.close()
    assert kept(path) == [1]


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"something else" * 100, "is not an archive of jobmgrd, or is damaged")],
)
async def test_a_damaged_file_is_an_error_and_stays_as_it_is(
    tmp_path: Path, content: bytes, text: str
) -> None:
    """Nothing is archived into it, so nothing is purged; a reader says the same."""
    path = archive_path(tmp_path)
    path.parent.mkdir()
    path.write_bytes(content)
    archive = SqliteArchive(path)
    with pytest.raises(ArchiveError, match=text) as caught:
        await archive.put([job(1)])
    assert caught.value.errnum == errno.EIO
    with pytest.raises(ArchiveError, match=text):
        ArchiveReader(path)
    await archive.close()
    assert path.read_bytes() == content


async def test_damage_inside_is_an_error(tmp_path: Path) -> None:
    """The pages of the tables are overwritten: neither writing nor reading goes on."""
    path = archive_path(tmp_path)
    archive = SqliteArchive(path)
    await archive.put([job(id) for id in range(1, 101)])
    await archive.close()
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * (path.stat().st_size - 8192))
    archive = SqliteArchive(path)
    with pytest.raises(ArchiveError, match="is damaged"):
        await archive.put([job(101)])
    await archive.close()
    with pytest.raises(ArchiveError, match="is damaged"):
        kept(path)


async def test_another_database_is_no_archive(tmp_path: Path) -> None:
    """A path that names the daemon's own store, say, is refused before anything is written."""
    path = tmp_path / "jobs.sqlite"
    db = sqlite3.connect(path)
    db.executescript("CREATE TABLE active (id); PRAGMA user_version = 1;")
    archive = SqliteArchive(path)
    with pytest.raises(ArchiveError, match="is not an archive of jobmgrd") as caught:
        await archive.open()
    assert caught.value.errnum == errno.EINVAL
    await archive.close()
    assert db.execute("SELECT name FROM sqlite_schema").fetchall() == [("active",)]
    assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    db.close()


async def test_a_newer_version_is_left_alone(archive: SqliteArchive, tmp_path: Path) -> None:
    """An older daemon does not write into what it does not understand."""
    path = archive_path(tmp_path)
    await archive.close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ArchiveError, match="version 99, written by a newer jobmgrd"):
        await SqliteArchive(path).open()


async def test_a_file_moved_away_is_whole_and_a_new_one_begins(
    archive: SqliteArchive, tmp_path: Path
) -> None:
    """Archives can be rotated with mv while the daemon runs: no batch goes to a file of no name."""
    path = archive_path(tmp_path)
    await archive.put([job(1), job(2)])
    moved = path.rename(tmp_path / "archive-2025.sqlite")
    await archive.put([job(3)])
    assert kept(path) == [3]
    assert kept(moved) == [1, 2]


async def test_a_file_deleted_is_made_again(archive: SqliteArchive, tmp_path: Path) -> None:
    """What is acknowledged after the deletion is in a file that has a name."""
    path = archive_path(tmp_path)
    await archive.put([job(1)])
    path.unlink()
    await archive.put([job(2)])
    assert kept(path) == [2]


async def test_somebody_else_writing_delays_but_does_not_break(
    archive: SqliteArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EBUSY while an SQL tool holds the file, and the next put works."""
    path = archive_path(tmp_path)
    await archive.close()
    monkeypatch.setattr(schema, "LOCK_TIMEOUT", 0.01)
    archive = SqliteArchive(path)
    await archive.open()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ArchiveError, match="locked") as caught:
        await archive.put([job(1)])
    assert caught.value.errnum == errno.EBUSY
    other.close()
    await archive.put([job(1)])
    await archive.close()
    assert kept(path) == [1]


async def test_after_close_nothing_is_accepted(archive: SqliteArchive) -> None:
    """ESHUTDOWN; and closing twice is fine."""
    await archive.close()
    await archive.close()
    with pytest.raises(ArchiveError) as caught:
        await archive.put([job(1)])
    assert caught.value.errnum == errno.ESHUTDOWN


async def test_people_with_an_sql_tool_see_names_and_iso_times(
    archive: SqliteArchive, tmp_path: Path
) -> None:
    """The view, read by the sqlite3 module alone."""
    await archive.put([job(1, t_clean=1_000_000.0, result=2)])
    db = sqlite3.connect(archive_path(tmp_path))
    row = db.execute("SELECT state, result, exit_code, runtime, t_clean FROM history").fetchone()
    db.close()
    assert row == ("INACTIVE", "FAILED", 1, 0.25, "1970-01-12T13:46:40.000Z")
