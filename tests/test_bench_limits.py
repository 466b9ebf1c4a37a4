"""What the benchmark measures on and beside: real disks, bare SQLite, workers, flux-core."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from jobmgrd.store.port import InactiveRow, Tombstone
from jobmgrd.store.sqlite import SqliteStore
from scripts.benchmark import flamegraph
from scripts.benchmark.errors import MeasurementError, SkipError
from scripts.benchmark.history import FILE, Order, write
from scripts.benchmark.parts import flux
from scripts.benchmark.run import Run, workplace
from scripts.benchmark.worker import Worker
from scripts.benchmark.workers import sqlite

ROW = InactiveRow(
    id=7,
    userid=1000,
    urgency=16,
    priority=16,
    t_submit=1.0,
    t_run=2.0,
    t_cleanup=3.0,
    t_clean=4.0,
    result=1,
    status=0,
    name="true",
    queue="",
    rule=0,
    jobspec=b"{}",
    R=b"{}",
    eventlog=b"{}\n",
)
SECONDS = 60.0


def test_a_store_in_memory_is_refused() -> None:
    """A commit that goes to no disk would flatter the figures."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        pytest.skip("no file system in memory here")
    with pytest.raises(SkipError, match="no directory on a disk"), workplace(memory):
        pass


@pytest.mark.parametrize("order", ["id", "random"])
async def test_bare_sqlite_does_to_a_history_what_the_daemon_does(
    tmp_path: Path, order: Order
) -> None:
    """The limit stands beside the same rows: it follows the store's schema, copies and buries."""
    path = tmp_path / FILE
    await write(path, ROW, 250, order)
    db = sqlite3.connect(path, isolation_level=None)
    sqlite.insert(db, 10)
    store = SqliteStore(path)
    await store.open()
    ended = await store.recent(1000)
    await store.close()
    ids = [row.id for row in reversed(ended)]
    assert len(set(ids)) == 260
    assert (ids == sorted(ids)) is (order == "id")
    assert {(row.jobspec, row.eventlog) for row in ended} == {(ROW.jobspec, ROW.eventlog)}
    taken: list[float] = []
    assert sqlite.purge(db, 100, taken) == 260
    assert len(taken) == 3
    db.close()
    await store_is_buried(path, ids)


async def store_is_buried(path: Path, ids: Sequence[int]) -> None:
    """All of these are tombstones, in batches of a hundred."""
    store = SqliteStore(path)
    await store.open()
    found = [await store.find(id) for id in ids]
    log = await store.purge_log(0, 10)
    await store.close()
    assert all(isinstance(job, Tombstone) for job in found)
    assert [len(record.jobs) for record in log] == [100, 100, 60]


def test_a_worker_that_ends_early_is_noticed(capfd: pytest.CaptureFixture[str]) -> None:
    """The suite does not wait for it, and its last words reach the person."""
    with Worker("no-such-worker") as worker, pytest.raises(MeasurementError, match="ended early"):
        worker.read(SECONDS)
    assert "no-such-worker" in capfd.readouterr().err


def test_flux_core_is_measured_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch is a point; where there is no flux, or it fails, ours are measured all the same."""
    monkeypatch.setattr("shutil.which", lambda _name: None)
    assert flux.cases() == []
    program = tmp_path / "flux"
    program.write_text('#!/bin/sh\nif [ "$1" = start ]; then shift 2; exec "$@"; fi\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    readings = flux.measure(Run(tmp_path, quick=True))
    assert [r.name for r in readings] == [
        "flux-core job/s, 0 kept",
        "flux-core job/s, 1,024 kept",
    ]
    program.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(SkipError, match="flux start"):
        flux.measure(Run(tmp_path, quick=True))


def test_a_flame_graph_counts_a_sample_as_the_innermost_part_and_waiting_as_nothing() -> None:
    """Frames go from the outside in; a stack whose last frame waits is not busy."""
    stacks = [
        "MainThread;_run_once (asyncio/base_events.py:1);post (jobmgrd/engine.py:9) 6",
        "MainThread;post (jobmgrd/engine.py:9);encode (protocol/payload.py:2) 2",
        "MainThread;select (selectors.py:468) 90",
        "store-writer;_run (jobmgrd/store/writer.py:8);between (jobmgrd/store/upkeep.py:3) 1",
        "MainThread;<module> (jobmgrd/cli/daemon.py:3) 1",
    ]
    assert flamegraph.shares(stacks) == {
        "engine: events applied, commits": 0.8,
        "store: checkpoints, space": 0.1,
        "event loop and the rest": 0.1,
    }
