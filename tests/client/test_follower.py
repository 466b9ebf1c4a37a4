"""Follower: the shell around JobCache, with daemons that come, go and are killed."""

import asyncio
import errno
from collections.abc import Callable, Iterator

import pytest

from jobmgrd.client.follower import Follower
from jobmgrd.client.job_cache import ATTRS, Change, JobCache
from protocol.errors import RpcError
from protocol.job import Result, State
from protocol.journal import TOPIC
from tests.client.conftest import Answer, FakeDaemon
from tests.conftest import DaemonProcess
from tests.e2e.jobs import run_jobs, simulated, submit


def listed(daemon: DaemonProcess) -> dict[int, dict[str, object]]:
    """What job-list answers of all jobs."""
    request = {"max_entries": 0, "attrs": list(ATTRS)}
    return {job["id"]: job for job in daemon.rpc("job-list.list", request)["jobs"]}


def inactive(count: int) -> Callable[[JobCache], bool]:
    """Whether so many jobs are inactive, and no others are there."""
    return lambda jobs: dict(jobs.stats.states) == ({State.INACTIVE: count} if count else {})


async def test_it_follows_a_daemon_through_purges_and_kills(
    stopped_daemon: DaemonProcess,
) -> None:
    """It was there first, and in the end it knows what job-list answers."""
    daemon = stopped_daemon
    daemon.configure('[heartbeat]\nperiod = "50ms"\n')
    async with asyncio.timeout(40), Follower(daemon.uri) as follower:
        await asyncio.to_thread(daemon.start)
        ids = await asyncio.to_thread(run_jobs, daemon, 20)
        await follower.until(inactive(20))
        assert follower.jobs.stats.results == {Result.COMPLETED: 20}
        request = {"num_limit": 15, "force": True}
        await asyncio.to_thread(daemon.rpc, "job-manager.purge", request)
        await follower.until(inactive(15))
        assert set(follower.jobs) == set(ids[5:])
        running = (await asyncio.to_thread(submit, daemon, simulated(None)))[0]
        await follower.until(lambda jobs: running in jobs and jobs[running]["state"] == State.RUN)
        daemon.kill()
        await asyncio.to_thread(daemon.start)
        await asyncio.to_thread(daemon.rpc, "job-manager.purge", request | {"num_limit": 5})
        await follower.until(lambda jobs: jobs.stats.states.get(State.INACTIVE) == 5)
        assert follower.jobs.stats.resyncs == 1
        cancel = {"id": running, "type": "cancel", "severity": 0}
        await asyncio.to_thread(daemon.rpc, "job-manager.raise", cancel)
        await follower.until(inactive(6))
        assert follower.jobs.stats.anomalies == 0
        assert dict(follower.jobs) == await asyncio.to_thread(listed, daemon)


async def test_a_daemon_that_is_stopped_is_waited_for(stopped_daemon: DaemonProcess) -> None:
    """What was known stays known meanwhile; changes are told."""
    daemon = stopped_daemon
    daemon.start()
    changes: list[Change] = []
    async with asyncio.timeout(30), Follower(daemon.uri, on_change=changes.append) as follower:
        first = (await asyncio.to_thread(run_jobs, daemon, 1))[0]
        await follower.until(inactive(1))
        await asyncio.to_thread(daemon.stop)
        assert follower.jobs[first]["result"] == Result.COMPLETED
        await asyncio.to_thread(daemon.start)
        second = (await asyncio.to_thread(run_jobs, daemon, 1))[0]
        await follower.until(inactive(2))
    assert {change.id for change in changes if change.kind == "added"} == {first, second}


async def test_a_refusal_is_raised(start_daemon: Callable[[], FakeDaemon]) -> None:
    """To those who wait, and on leaving: nothing will come."""
    daemon = start_daemon()
    daemon.handlers[TOPIC] = lambda _: [(errno.EPERM, "not yours")]
    with pytest.raises(RpcError, match="not yours"):
        async with asyncio.timeout(10), Follower(daemon.uri) as follower:
            await follower.until(bool)


async def test_losses_are_made_good(start_daemon: Callable[[], FakeDaemon]) -> None:
    """It begins again from the last that it heard; from nothing if the daemon cannot tell."""
    daemon = start_daemon()
    stale = (errno.ESTALE, "resync")
    streams: Iterator[list[Answer]] = iter(
        [
            [
                {"id": -1, "events": [], "seq": "x.5", "told": 0},
                {"id": 1, "events": [], "seq": "x.7"},
            ],
            [stale],
            [{"id": -1, "events": [], "seq": "y.1", "told": 0}],
        ]
    )
    daemon.handlers[TOPIC] = lambda _: next(streams)
    async with asyncio.timeout(10), Follower(daemon.uri) as follower:
        await follower.until(lambda jobs: jobs.stats.resyncs == 1)
