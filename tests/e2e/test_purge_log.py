"""The purge stream without gaps: job-manager.purge-log and follow_purges."""

import asyncio
import errno
from contextlib import aclosing

import pytest

from jobmgrd.client import Client, follow_purges
from protocol.errors import RpcError
from tests.conftest import DaemonProcess
from tests.e2e.jobs import run_jobs


@pytest.fixture
def batches(daemon: DaemonProcess) -> list[list[int]]:
    """Three purges of two jobs each; the ids of each."""
    history = run_jobs(daemon, 8)
    for limit in (6, 4, 2):
        daemon.rpc("job-manager.purge", {"num_limit": limit, "force": True})
    return [history[:2], history[2:4], history[4:6]]


def replay(daemon: DaemonProcess, **keys: object) -> list[dict[str, object]]:
    """The records of a stream that ends."""
    with daemon.client() as client:
        return list(client.stream("job-manager.purge-log", keys))


def test_it_replays_from_any_seq(daemon: DaemonProcess, batches: list[list[int]]) -> None:
    """Each record with seq, time, ids, reason and user."""
    for since in range(4):
        records = replay(daemon, since=since)
        assert [record["jobs"] for record in records] == batches[since:]
        assert [record["seq"] for record in records] == [1, 2, 3][since:]
    assert {record["reason"] for record in replay(daemon)} == {"purge"}
    assert all(isinstance(record["t"], float) for record in replay(daemon))


def test_a_since_that_cannot_be_served_is_refused(
    daemon: DaemonProcess, batches: list[list[int]]
) -> None:
    """So that a consumer knows to resync."""
    assert batches
    with pytest.raises(RpcError, match="beyond the last seq 3: resync") as caught:
        replay(daemon, since=4)
    assert caught.value.errnum == errno.ESTALE
    with pytest.raises(RpcError, match=r"is of epoch other, this is [0-9a-f]{16}: the history"):
        replay(daemon, since=1, epoch="other")
    (epoch,) = {str(record["epoch"]) for record in replay(daemon)}
    assert len(replay(daemon, since=1, epoch=epoch)) == 2
    with pytest.raises(RpcError, match="since must be >= 0"):
        replay(daemon, since=-1)


def test_it_follows(daemon: DaemonProcess, batches: list[list[int]]) -> None:
    """What is in the log, then what comes."""
    with daemon.client() as client, daemon.client() as other:
        stream = client.stream("job-manager.purge-log", {"since": 1, "follow": True})
        assert [next(stream)["jobs"], next(stream)["jobs"]] == batches[1:]
        other.rpc("job-manager.purge", {"num_limit": 1, "force": True})
        assert next(stream)["seq"] == 4
        stream.close()


async def test_the_follower_hands_over_each_batch_once_over_restarts(
    daemon: DaemonProcess, batches: list[list[int]]
) -> None:
    """Log, events, and a daemon that is killed in between."""
    async with (
        asyncio.timeout(30),
        Client(daemon.uri) as client,
        aclosing(follow_purges(client, since=0)) as purges,
    ):
        seen = [await anext(purges) for _ in range(3)]
        assert [list(batch.jobs) for batch in seen] == batches
        await asyncio.to_thread(daemon.rpc, "job-manager.purge", {"num_limit": 1, "force": True})
        daemon.kill()
        await asyncio.to_thread(daemon.start)
        await asyncio.to_thread(daemon.rpc, "job-manager.purge", {"num_limit": 0, "force": True})
        seen += [await anext(purges), await anext(purges)]
    assert [batch.seq for batch in seen] == [1, 2, 3, 4, 5]


async def test_without_since_it_begins_now(daemon: DaemonProcess, batches: list[list[int]]) -> None:
    """Earlier batches are not told."""
    assert batches
    async with (
        asyncio.timeout(30),
        Client(daemon.uri) as client,
        Client(daemon.uri) as other,
        aclosing(follow_purges(client)) as purges,
    ):
        first = asyncio.ensure_future(anext(purges))
        while not first.done():  # those before it has subscribed are not told either
            await asyncio.to_thread(run_jobs, daemon, 1)
            await other.rpc("job-manager.purge", {"num_limit": 0, "force": True})
            await asyncio.wait([first], timeout=0.05)
    assert first.result().seq >= 4
