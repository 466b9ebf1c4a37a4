"""What is acknowledged outlives the process, and a full disk is survived."""

import asyncio
import errno
import json
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from jobmgrd.store.port import Changes, Decide, InactiveRow, StoreError, Tombstone
from jobmgrd.store.sqlite import SqliteStore
from tests.store.sample import active, db_path, ended

BLOB = b"x" * 2000


async def write_for_ever(path: Path) -> None:
    """Child: submit, end and purge jobs, printing each id once its change is acknowledged."""
    store = SqliteStore(path)
    await store.open()
    n = 0
    while True:
        n += 1
        await store.write(Changes(active=[active(n, BLOB)]))
        print(json.dumps({"active": n}), flush=True)  # noqa: T201 - the parent reads it
        if n % 2:
            await store.write(Changes(ended=[ended(n)]))
            print(json.dumps({"ended": n}), flush=True)  # noqa: T201 - the parent reads it
        if n % 10 == 1:
            record = await store.purge(these(n), now=1.0, reason="", userid=0)
            assert record
            print(json.dumps({"purged": n, "seq": record.seq}), flush=True)  # noqa: T201 - as above


def these(*ids: int) -> Decide:
    """The decision to purge these jobs."""
    return lambda history: history.find(ids)


async def meet_a_full_disk(path: Path) -> None:
    """Child: write until no file may grow, then lift the limit and go on; prints what it saw."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    store = SqliteStore(path)
    await store.open()
    await store.write(Changes(ended=[ended(1)]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
    kept, errors = 0, 0
    errnum = 0
    for n in range(2, 400):
        try:
            await store.write(Changes(active=[active(n, BLOB)], ended=[ended(1000 + n)]))
            kept += 1
        except StoreError as error:
            errors += 1
            errnum = error.errnum
    inactive = store.stats().inactive
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await store.write(Changes(active=[active(999)]))
    found = sum([isinstance(await store.find(1000 + n), InactiveRow) for n in range(2, 400)])
    seen = {"kept": kept, "errors": errors, "errnum": errnum, "inactive": inactive, "found": found}
    print(json.dumps(seen))  # noqa: T201 - the parent reads it
    await store.close()


async def child(role: str, path: Path) -> asyncio.subprocess.Process:
    """This file as a process of its own."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.store.test_sqlite_crash",
        role,
        str(path),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )


async def test_what_was_acknowledged_is_there_after_a_kill(tmp_path: Path) -> None:
    """SIGKILL in the middle of writing: each acknowledged change is found again, in full."""
    process = await child("write", db_path(tmp_path))
    assert process.stdout
    lines: list[bytes] = [await process.stdout.readline() for _ in range(300)]
    process.kill()
    lines += (await process.stdout.read()).splitlines(keepends=True)
    assert await process.wait() == -signal.SIGKILL
    acks = [json.loads(line) for line in lines if line.endswith(b"\n")]
    assert len(acks) >= 300

    store = SqliteStore(db_path(tmp_path))
    recovered = await store.open()
    there = {row.id for row in recovered.active}
    gone = [ack["purged"] for ack in acks if "purged" in ack]
    for ack in acks:
        if "active" in ack:
            id = ack["active"]
            assert id in there or await store.find(id)
        elif "ended" in ack and ack["ended"] not in gone:
            assert isinstance(await store.find(ack["ended"]), InactiveRow | Tombstone)
        elif "purged" in ack:
            tombstone = await store.find(ack["purged"])
            assert isinstance(tombstone, Tombstone)
            assert tombstone.seq == ack["seq"]
    assert recovered.max_jobid >= max(ack.get("active", 0) for ack in acks)
    seqs = [record.seq for record in recovered.unpublished]
    assert seqs == list(range(1, len(seqs) + 1))
    assert len(seqs) >= len(gone)
    count = await store.inspect(lambda history: history.count_before(0, float("inf")))
    assert store.stats().inactive == count
    await store.close()


async def test_a_full_disk_is_answered_and_survived(tmp_path: Path) -> None:
    """Writes fail with the errno and change nothing; once there is room they succeed again."""
    process = await child("fill", db_path(tmp_path))
    output, _ = await process.communicate()
    seen = json.loads(output)
    assert process.returncode == 0
    assert seen["errors"] > 0
    assert seen["errnum"] in {errno.EFBIG, errno.ENOSPC}
    assert seen["kept"] == seen["found"]
    assert seen["inactive"] == seen["kept"] + 1


async def test_sqlite_saying_full_is_enospc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The errno is the one a shell would show; others of the group that fit are kept."""
    monkeypatch.chdir(tmp_path)
    store = SqliteStore(db_path(tmp_path))
    await store.open()
    assert store._writer
    store._writer._db.execute("PRAGMA max_page_count = 40").fetchone()
    changes: Sequence[Changes] = [
        Changes(active=[active(1)]),
        Changes(active=[active(2, bytes(1 << 20))]),
        Changes(active=[active(3)]),
    ]
    asked = [store.write(change) for change in changes]
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert [getattr(result, "errnum", 0) for result in results] == [0, errno.ENOSPC, 0]
    await store.close()
    store = SqliteStore(db_path(tmp_path))
    assert [row.id for row in (await store.open()).active] == [1, 3]
    await store.close()


if __name__ == "__main__":
    main = {"write": write_for_ever, "fill": meet_a_full_disk}[sys.argv[1]]
    asyncio.run(main(Path(sys.argv[2])))
