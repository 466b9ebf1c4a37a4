"""Purges and kill -9: at every step, and at random."""

import asyncio
import contextlib
import random

import pytest

from jobmgrd.client import Client, ConnectionLostError, NoDaemonError, RpcError, follow_purges
from tests.conftest import DaemonProcess
from tests.e2e.jobs import run_jobs, simulated

STEPS = ["before", "inside", "committed", "told"]


@pytest.fixture
def faulty_daemon(stopped_daemon: DaemonProcess) -> DaemonProcess:
    """A daemon that kills itself at a step of its second purge."""
    stopped_daemon.module = "tests.e2e.daemon_under_test"
    return stopped_daemon


def kept(daemon: DaemonProcess) -> set[int]:
    """The ids of inactive jobs."""
    reply = daemon.rpc("job-list.list", {"max_entries": 0, "states": 64})
    return {job["id"] for job in reply["jobs"]}


def died(daemon: DaemonProcess) -> bool:
    """Wait for the daemon to end, and say whether a signal did it."""
    process, daemon.process = daemon.process, None
    return process is not None and process.wait(10) < 0


async def collect(uri: str, since: int, until: int) -> list[tuple[int, list[int]]]:
    """The announced batches with since < seq <= until."""
    batches: list[tuple[int, list[int]]] = []
    async with asyncio.timeout(30), Client(uri) as client:
        if since < until:
            async for batch in follow_purges(client, since=since):
                batches.append((batch.seq, list(batch.jobs)))
                if batch.seq == until:
                    break
    return batches


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("archived", [False, True])
async def test_a_crash_at_any_step_loses_nothing_and_announces_everything(
    faulty_daemon: DaemonProcess, step: str, archived: bool
) -> None:
    """Design 6.3: what went was announced, with one seq each; what did not go is there."""
    daemon = faulty_daemon
    archive = "[job-manager.archive]\n" if archived else ""
    daemon.configure('[heartbeat]\nperiod = "50ms"\n' + archive)
    daemon.environ = {"KILL_AT": step, "KILL_NTH": "2"}
    daemon.start()
    history = run_jobs(daemon, 12)
    daemon.rpc("job-manager.purge", {"num_limit": 9, "batch": 3, "force": True})
    with contextlib.suppress(ConnectionLostError):  # "told" dies after its answer
        daemon.rpc("job-manager.purge", {"num_limit": 5, "batch": 4, "force": True})
    assert died(daemon)
    daemon.module = "jobmgrd.cli.daemon"
    daemon.start()
    left = kept(daemon)
    stats = daemon.rpc("job-manager.stats-get")
    went = step in {"committed", "told"}
    assert left == set(history[7:] if went else history[3:])
    assert stats["purge"]["seq"] == (2 if went else 1)
    assert stats["purge"]["total"] + len(left) == len(history)
    batches = await collect(daemon.uri, 0, stats["purge"]["seq"])
    assert batches[0] == (1, history[:3])
    assert batches[1:] == ([(2, history[3:7])] if went else [])


async def test_a_batch_that_may_not_have_been_announced_is_published_again(
    faulty_daemon: DaemonProcess,
) -> None:
    """With the same seq, as an event, once subscribers had time to come back."""
    daemon = faulty_daemon
    daemon.configure('[heartbeat]\nperiod = "1s"\n')
    daemon.environ = {"KILL_AT": "committed", "KILL_NTH": "1"}
    daemon.start()
    history = run_jobs(daemon, 3)
    with pytest.raises(ConnectionLostError):
        daemon.rpc("job-manager.purge", {"num_limit": 0, "force": True})
    assert died(daemon)
    daemon.module = "jobmgrd.cli.daemon"
    daemon.start()
    with daemon.client() as client, client.subscribe("job-purge-inactive") as events:
        event = next(events)
    assert event.payload["seq"] == 1
    assert event.payload["jobs"] == history


def test_what_was_announced_is_not_announced_again(stopped_daemon: DaemonProcess) -> None:
    """Neither after a clean stop, nor after a crash that comes a pulse later."""
    daemon = stopped_daemon
    daemon.configure('[heartbeat]\nperiod = "100ms"\n')
    daemon.start()
    history = run_jobs(daemon, 4)
    daemon.rpc("job-manager.purge-id", {"id": history[0], "force": True})
    daemon.stop()
    daemon.start()
    pulses_without_purge(daemon)
    daemon.rpc("job-manager.purge-id", {"id": history[1], "force": True})
    pulses_without_purge(daemon)
    daemon.kill()
    daemon.start()
    pulses_without_purge(daemon)


def pulses_without_purge(daemon: DaemonProcess) -> None:
    """Let three pulses pass, in which no purge is announced."""
    with daemon.client() as client, client.subscribe("") as events:
        topics = [next(events).topic for _ in range(3)]
    assert set(topics) == {"heartbeat.pulse"}


async def _submitter(uri: str, submitted: set[int], stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            async with Client(uri) as client:
                while not stop.is_set():
                    requests = (
                        client.rpc("job-ingest.submit", {"jobspec": simulated()}) for _ in range(20)
                    )
                    submitted.update(r["id"] for r in await asyncio.gather(*requests))
        except (ConnectionLostError, NoDaemonError):
            await asyncio.sleep(0.01)


async def _purger(uri: str, dice: random.Random, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            async with Client(uri) as client:
                while not stop.is_set():
                    limit, batch = dice.randint(0, 60), dice.randint(1, 100)
                    request = {"num_limit": limit, "batch": batch, "force": True}
                    await client.rpc("job-manager.purge", request)
        except (ConnectionLostError, NoDaemonError):
            await asyncio.sleep(0.01)


async def _follower(uri: str, announced: dict[int, list[int]]) -> None:
    async with Client(uri) as client:
        async for batch in follow_purges(client, since=0):
            assert batch.seq not in announced
            assert batch.seq == len(announced) + 1
            announced[batch.seq] = list(batch.jobs)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", range(3))
async def test_random_kills_with_several_purgers(stopped_daemon: DaemonProcess, seed: int) -> None:
    """Whatever happens: announced at least once, none announced that is there, no id twice."""
    daemon, dice = stopped_daemon, random.Random(seed)
    daemon.configure(
        '[heartbeat]\nperiod = "30ms"\n[job-manager]\ninactive-num-limit = 80\n'
        "[resource]\ncores = 64\n" + ("[job-manager.archive]\n" if seed % 2 else "")
    )
    daemon.start()
    submitted: set[int] = set()
    announced: dict[int, list[int]] = {}
    stop = asyncio.Event()
    follower = asyncio.create_task(_follower(daemon.uri, announced))
    workers = [asyncio.create_task(_submitter(daemon.uri, submitted, stop))]
    workers += [asyncio.create_task(_purger(daemon.uri, dice, stop)) for _ in range(3)]
    for _ in range(4):
        goal = len(submitted) + dice.randint(100, 400)
        while len(submitted) < goal:  # noqa: ASYNC110 - it grows in many places
            await asyncio.sleep(0.01)
        daemon.kill()
        await asyncio.to_thread(daemon.start)
    stop.set()
    await asyncio.gather(*workers)
    await _settle(daemon, announced)
    follower.cancel()
    gone = [id for jobs in announced.values() for id in jobs]
    left = kept(daemon)
    stats = daemon.rpc("job-manager.stats-get")
    assert len(gone) == len(set(gone)) == stats["purge"]["total"]
    assert not left & set(gone)
    assert submitted <= left | set(gone)
    assert stats["totals"]["ended"] == len(left) + len(gone)
    assert stats["inactive_jobs"] == len(left)
    for id in dice.sample(gone, min(20, len(gone))):
        with pytest.raises(RpcError, match="it was purged at"):
            daemon.rpc("job-manager.purge-id", {"id": id, "force": True})


async def _settle(daemon: DaemonProcess, announced: dict[int, list[int]]) -> None:
    """Wait until no job is active and the follower has heard of every purge."""
    async with asyncio.timeout(60), Client(daemon.uri) as client:
        while True:
            stats = await client.rpc("job-manager.stats-get")
            within = stats["inactive_jobs"] <= 80
            if stats["active_jobs"] == 0 and within and stats["purge"]["seq"] == len(announced):
                return
            await asyncio.sleep(0.02)
