"""A purge works on a full disk, and makes room on it: a file system of some megabytes, filled."""
# ruff: noqa: T201 - a process of its own, which the test reads

import asyncio
import errno
import json
import random
import shutil
import sys
from functools import partial
from pathlib import Path

import pytest

from jobmgrd.jobs import retention
from jobmgrd.jobs.retention import Limits, Policy
from jobmgrd.store.port import Changes, OutputRow, StoreError
from jobmgrd.store.sqlite import SqliteStore
from jobmgrd.store.upkeep import PAGE_LIMIT, PURGE_BYTES
from tests.store.sample import active, db_path, ended

ALL = partial(retention.select, policy=Policy(Limits(num=0)), now=0.0, batch=100)
JOBS = 2000

MOUNT = 'mount -t tmpfs -o size=64m tmpfs "$1" && shift && exec "$@"'
ALONE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh"]
"""Runs a program with a file system of its own, given a directory and a command."""


def fill(directory: Path) -> int:
    """Leave no room for anything else; how many bytes it took."""
    with (directory / "filler").open("ab", buffering=0) as filler:
        while True:
            try:
                filler.write(bytes(4096))
            except OSError:
                return filler.tell()


async def purge_a_full_disk(directory: Path) -> None:
    """Child: keep jobs, fill the disk, purge; prints what it saw."""
    store = SqliteStore(db_path(directory))
    await store.open()
    ids = random.Random(1).sample(range(2**60), JOBS)
    rows = [ended(id, float(n)) for n, id in enumerate(ids)]
    await store.write(Changes(ended=rows, output=[OutputRow(id, bytes(3000)) for id in ids]))
    fill(directory)
    errnum, purged, seqs = 0, 0, []
    try:
        for n in range(1, 100):  # pages that are free already take the first few
            await store.write(Changes(active=[active(n, bytes(1 << 20))]))
    except StoreError as error:
        errnum = error.errnum
    try:
        while record := await store.purge(ALL, now=1.0, reason="", userid=0):
            purged += len(record.jobs)
            seqs.append(record.seq)
            fill(directory)
    except StoreError as error:
        print(error, file=sys.stderr)
    there = (db_path(directory).parent / "jobs.sqlite.reserve").stat().st_size
    size = db_path(directory).stat().st_size
    await store.close()
    seen = {"errnum": errnum, "purged": purged, "seqs": seqs, "reserve": there, "size": size}
    print(json.dumps(seen))


async def test_a_full_disk_is_purged(tmp_path: Path) -> None:
    """Writes are refused, batches are committed, though something else takes what they free."""
    if not shutil.which("unshare"):
        pytest.skip("needs unshare(1)")
    command = [sys.executable, "-m", "tests.store.test_full_disk", str(tmp_path)]
    process = await asyncio.create_subprocess_exec(
        *ALONE,
        str(tmp_path),
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    output, errors = await process.communicate()
    if b"unshare" in errors or b"mount:" in errors:
        pytest.skip(f"no file system of one's own here: {errors.decode().strip()}")
    assert process.returncode == 0, errors.decode()
    seen = json.loads(output)
    assert seen["errnum"] == errno.ENOSPC
    assert seen["purged"] == JOBS
    assert seen["seqs"] == list(range(1, JOBS // 100 + 1))
    assert seen["reserve"] == PAGE_LIMIT * 4096 + PURGE_BYTES
    assert seen["size"] < 1 << 20  # of 6 MiB and more that the output of all jobs took


if __name__ == "__main__":
    asyncio.run(purge_a_full_disk(Path(sys.argv[1])))
