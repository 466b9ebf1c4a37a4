"""The faulty store dies where it says: seen from the process that is left."""

import asyncio
import errno
import signal
import sys
from pathlib import Path
from typing import cast

import pytest

from jobmgrd.store.memory import MemoryStore
from jobmgrd.store.port import Changes, StoreError
from jobmgrd.store.sqlite import SqliteStore
from tests.faulty_store import Point, faulty
from tests.store.sample import db_path, ended, keep, purge


async def purge_all(directory: Path, kill_at: Point) -> None:
    """Child: purge three jobs one by one, printing the seq of each batch that it was told of."""
    store, _ = faulty(SqliteStore(db_path(directory)), kill_at, nth=2, turns=1)
    await store.open()
    await store.write(Changes(ended=[ended(n) for n in (1, 2, 3)]))
    while record := await purge(store, keep(0, batch=1)):
        print(record.seq, flush=True)  # noqa: T201 - the parent reads it
        await purge(store, keep(9))  # chooses nothing, and does not count
    await store.close()


@pytest.mark.parametrize(
    ("kill_at", "committed", "told"),
    [("before", 1, "1\n"), ("inside", 1, "1\n"), ("committed", 2, "1\n"), ("told", 2, "1\n2\n")],
)
async def test_it_dies_at_the_point_named(
    tmp_path: Path, kill_at: str, committed: int, told: str
) -> None:
    """In the second purge: what is durable then, and what the caller knows."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.test_faulty_store",
        str(tmp_path),
        kill_at,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[1],
    )
    output, _ = await process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert output.decode() == told
    store = SqliteStore(db_path(tmp_path))
    assert [record.seq for record in (await store.open()).unpublished] == list(
        range(1, committed + 1)
    )
    assert store.stats().inactive == 3 - committed
    await store.close()


async def test_a_purge_fails_until_it_may_succeed() -> None:
    """With the errno named, and nothing else does."""
    store, fault = faulty(MemoryStore())
    await store.open()
    fault.fail_purge(errno.EIO)
    await store.write(Changes(ended=[ended(1)]))
    with pytest.raises(StoreError) as error:
        await purge(store, keep(0))
    assert error.value.errnum == errno.EIO
    fault.fail_purge(0)
    assert await purge(store, keep(0))


if __name__ == "__main__":
    asyncio.run(purge_all(Path(sys.argv[1]), cast("Point", sys.argv[2])))
