"""Reading an archive: filters, order, beside a writer, and without the right to write."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from jobmgrd.archive.port import ArchiveError
from jobmgrd.archive.reader import PAGE, ArchiveReader, Filter
from jobmgrd.archive.sqlite import SqliteArchive
from tests.archive.sample import archive_path, job


@pytest.fixture
async def path(archive: SqliteArchive, tmp_path: Path) -> Path:
    """An archive of six jobs; jobs 5 and 6 ended at the same instant."""
    await archive.put(
        [
            job(1, 100.0, queue="batch", name="a"),
            job(2, 200.0, queue="debug", name="b", result=2),
            job(3, 300.0, queue="batch", name="b", result=4),
            job(6, 500.0, name="a", result=2),
            job(5, 500.0, name="a", result=8),
            job(4, 400.0, name="c"),
        ]
    )
    return archive_path(tmp_path)


@pytest.mark.parametrize(
    ("which", "ids"),
    [
        (Filter(), [1, 2, 3, 4, 5, 6]),
        (Filter(since=200.0), [2, 3, 4, 5, 6]),
        (Filter(before=200.0), [1]),
        (Filter(since=200.0, before=500.0), [2, 3, 4]),
        (Filter(userid=1001), [1, 3, 5]),
        (Filter(queue="batch"), [1, 3]),
        (Filter(queue=""), [4, 5, 6]),
        (Filter(name="b"), [2, 3]),
        (Filter(result=2), [2, 6]),
        (Filter(ids=[6, 1, 99]), [1, 6]),
        (Filter(ids=[]), []),
        (Filter(name="a", result=2, userid=1000), [6]),
    ],
)
def test_filters_choose_and_the_order_is_that_of_the_end(
    path: Path, which: Filter, ids: list[int]
) -> None:
    """All conditions hold; equal times go by id; the newest first is exactly the reverse."""
    with ArchiveReader(path) as reader:
        assert [found.id for found in reader.all(which)] == ids
        assert [found.id for found in reader.newest(which)] == ids[::-1]
        assert [found.id for found in reader.newest(which, 2)] == ids[::-1][:2]
        assert reader.count(which) == len(ids)


def test_one_job_by_id(path: Path) -> None:
    """With its output; None for an id that is not archived."""
    with ArchiveReader(path) as reader:
        found = reader.find(3)
        assert found is not None
        assert (found.id, found.result) == (3, 4)
        assert found.output
        assert reader.find(99) is None


async def test_pages_join_without_gaps(archive: SqliteArchive, tmp_path: Path) -> None:
    """More jobs than a page, all of which ended at the same instant."""
    count = PAGE * 2 + 1
    await archive.put([job(id, 7.0) for id in range(1, count + 1)])
    with ArchiveReader(archive_path(tmp_path)) as reader:
        assert [found.id for found in reader.all(Filter())] == list(range(1, count + 1))
        assert [found.id for found in reader.newest(Filter())] == list(range(count, 0, -1))


async def test_reading_goes_on_while_batches_are_archived(
    archive: SqliteArchive, path: Path
) -> None:
    """A reader that was opened before sees what comes, and holds up neither batch nor log."""
    with ArchiveReader(path) as reader:
        walk = reader.all(Filter())
        assert next(walk).id == 1
        for id in range(7, 600, 50):
            await archive.put([job(n, 1000.0 + n) for n in range(id, id + 50)])
        assert [found.id for found in walk][:5] == [2, 3, 4, 5, 6]
        assert reader.find(600) is not None
        await archive.close()
        assert reader.find(601) is not None
    with ArchiveReader(path) as reader:
        assert reader.count(Filter(since=1000.0)) == 600


async def test_a_search_reads_an_index_and_not_the_jobs(path: Path) -> None:
    """Looking for a rare name among a million jobs must not read a million jobs."""
    with ArchiveReader(path) as reader:
        seen: list[str] = []
        reader._db.set_trace_callback(seen.append)
        list(reader.newest(Filter(name="absent", queue="q", result=1, userid=3, since=1.0)))
        reader._db.set_trace_callback(None)
        search = seen[0].replace("Inf", "9e999")  # as SQL spells it
        plan = str(reader._db.execute(f"EXPLAIN QUERY PLAN {search}").fetchall())
    assert "USING COVERING INDEX job_by_end" in plan
    assert "TEMP B-TREE" not in plan


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    """And reading does not make one."""
    path = archive_path(tmp_path)
    with pytest.raises(ArchiveError, match=r"archive\.sqlite: No such file"):
        ArchiveReader(path)
    assert not path.exists()


@pytest.fixture
def media() -> Iterator[Path]:
    """A directory that anybody may enter."""
    with TemporaryDirectory(prefix="jm-") as directory:
        path = Path(directory)
        path.chmod(0o755)
        yield path
        path.chmod(0o755)


@pytest.fixture
async def copy(archive: SqliteArchive, path: Path, media: Path) -> Path:
    """A copy of the archive, complete without its log, where nobody but root may write."""
    await archive.close()
    return _locked_copy(path, media)


def _locked_copy(path: Path, media: Path) -> Path:
    copied = Path(shutil.copy(path, media))
    copied.chmod(0o444)
    media.chmod(0o555)
    return copied


@contextmanager
def not_root() -> Iterator[None]:
    """Be a user whom modes stop."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_copy_on_read_only_media_can_be_read(copy: Path, media: Path) -> None:
    """Neither the file nor its directory can be written, so there is no log to read from."""
    with not_root(), ArchiveReader(copy) as reader:
        assert reader.count(Filter()) == 6
    assert list(media.iterdir()) == [copy]
