"""jobmgrd check, backup and restore, beside a daemon that runs and after it is lost."""

import asyncio
import errno
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from jobmgrd.client import Client, RpcError, follow_purges
from jobmgrd.client.follower import Follower
from protocol.events import PurgeEvent
from tests.conftest import DaemonProcess
from tests.e2e.jobs import run_jobs


@pytest.fixture
def daemon(stopped_daemon: DaemonProcess) -> DaemonProcess:
    """A daemon with an archive, started."""
    stopped_daemon.configure("[job-manager.archive]\n")
    stopped_daemon.start()
    return stopped_daemon


def jobmgrd(daemon: DaemonProcess, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of jobmgrd in the place of a daemon."""
    argv = [sys.executable, "-m", "jobmgrd.cli.daemon", "--config", str(daemon.config)]
    argv += ["--rundir", str(daemon.rundir), "--statedir", str(daemon.statedir), *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)


def test_a_lost_state_directory_is_restored_from_a_backup(daemon: DaemonProcess) -> None:
    """History, archive and the numbers of purges are those of the backup; no id comes again."""
    jobs = run_jobs(daemon, 6)
    daemon.rpc("job-manager.purge", {"num_limit": 4, "force": True})
    backup = str(daemon.directory / "backup")
    made = jobmgrd(daemon, "backup", backup)
    assert (made.returncode, made.stdout.count("copied")) == (0, 2), made.stderr
    later = run_jobs(daemon, 3)
    again = jobmgrd(daemon, "backup", backup)
    assert again.returncode == 1
    assert again.stderr.endswith("backup/jobs.sqlite is there already\n")
    refused = jobmgrd(daemon, "restore", backup)
    assert refused.returncode == 1
    assert "another jobmgrd" in refused.stderr

    daemon.kill()
    shutil.rmtree(daemon.statedir)
    assert jobmgrd(daemon, "check").stdout.count("not made yet") == 3
    restored = jobmgrd(daemon, "restore", backup)
    assert restored.returncode == 0, restored.stderr
    daemon.start()
    reply = daemon.rpc("job-list.list", {"max_entries": 0, "states": 64})
    assert {job["id"] for job in reply["jobs"]} == set(jobs[2:])
    assert daemon.rpc("job-manager.stats-get")["purge"]["seq"] == 1
    with pytest.raises(RpcError, match="it was purged at"):
        daemon.rpc("job-manager.purge-id", {"id": jobs[0]})
    new = run_jobs(daemon, 1)
    assert min(new) > max(later)
    checked = jobmgrd(daemon, "check")
    assert checked.returncode == 0
    assert "sound (version 2; 0 active and 5 inactive jobs, 2 purged" in checked.stdout
    assert "archive.sqlite: sound (version 2; 2 jobs)" in checked.stdout


async def test_followers_notice_that_history_was_replaced(daemon: DaemonProcess) -> None:
    """The numbers of purges go on from the backup's, and reach and pass what was seen before.

    One is far behind, one ahead of the backup, and one comes late and brings its own number: none
    is told batches of the new history as if they were those it waits for.
    """
    history = await asyncio.to_thread(run_jobs, daemon, 8)
    await asyncio.to_thread(purge_to, daemon, 7)
    backup = str(daemon.directory / "backup")
    assert jobmgrd(daemon, "backup", backup).returncode == 0
    async with (
        asyncio.timeout(50),
        Client(daemon.uri) as client,
        aclosing(follow_purges(client, since=0)) as behind,
        aclosing(follow_purges(client, since=0)) as ahead,
        Follower(daemon.uri) as follower,
    ):
        first = await anext(behind)
        seen = [await anext(ahead)]
        for left in (6, 5):
            await asyncio.to_thread(purge_to, daemon, left)
            seen.append(await anext(ahead))
        assert [batch.seq for batch in seen] == [1, 2, 3]
        assert {batch.epoch for batch in seen} == {first.epoch}
        await follower.until(lambda jobs: set(jobs) == set(history[3:]))

        daemon.kill()
        restored = await asyncio.to_thread(jobmgrd, daemon, "restore", backup, "--replace")
        assert restored.returncode == 0, restored.stderr
        await asyncio.to_thread(daemon.start)
        for left in (4, 3, 2, 1):  # seq 2 to 5: beyond what anybody saw
            await asyncio.to_thread(purge_to, daemon, left)
        for stream in (behind, ahead):
            told: list[PurgeEvent] = []
            with pytest.raises(RpcError, match="the history was replaced: resync") as caught:
                await tell(stream, told)
            assert caught.value.errnum == errno.ESTALE
            assert {batch.epoch for batch in told} <= {first.epoch}  # came before, and was unread
        late = follow_purges(client, since=seen[-1].seq, epoch=seen[-1].epoch)
        with pytest.raises(RpcError, match=f"since 3 is of epoch {first.epoch}, this is "):
            await anext(late)

        now = (await client.rpc("job-manager.stats-get"))["purge"]
        assert now["seq"] == 5
        assert now["epoch"] != first.epoch
        async with aclosing(follow_purges(client, 4, now["epoch"])) as again:
            last = await anext(again)
        assert (last.seq, last.epoch) == (5, now["epoch"])
        await follower.until(lambda jobs: set(jobs) == set(history[7:]))
        assert follower.jobs.stats.resyncs == 1
        assert follower.jobs.stats.anomalies == 0


async def tell(stream: AsyncIterator[PurgeEvent], told: list[PurgeEvent]) -> None:
    """Take what comes."""
    async for batch in stream:
        told.append(batch)  # noqa: PERF401 - what comes before an error counts


def purge_to(daemon: DaemonProcess, left: int) -> None:
    """Purge until this many jobs are left."""
    assert daemon.rpc("job-manager.purge", {"num_limit": left, "force": True})["count"]


def test_a_damaged_store_stops_the_start_and_says_what_to_do(daemon: DaemonProcess) -> None:
    """The file is named, and so are the commands; the one that checks says more."""
    run_jobs(daemon, 3)
    daemon.stop()
    store = daemon.statedir / "jobs.sqlite"
    data = bytearray(store.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    store.write_bytes(data)
    process = daemon.spawn()
    assert process.wait(20) == 1
    (line,) = [text for text in daemon.log.read_text().splitlines() if text.startswith("jobmgrd:")]
    assert line.startswith(f"jobmgrd: {store} is damaged (")
    assert "`jobmgrd check`" in line
    assert "`jobmgrd restore DIR --replace`" in line
    checked = jobmgrd(daemon, "check")
    assert checked.returncode == 1
    assert f"{store} is damaged" in checked.stderr


def test_a_directory_that_others_may_enter_fails_the_check(daemon: DaemonProcess) -> None:
    """The rest is checked all the same."""
    daemon.statedir.chmod(0o755)
    checked = jobmgrd(daemon, "check")
    assert checked.returncode == 1
    assert "is open to others (mode 0755)" in checked.stderr
    assert "store" in checked.stdout
    assert "configuration: valid" in checked.stdout
