"""The client library over each way in to a real daemon: kills, restarts, sizes, slow readers."""

import asyncio
import errno
import itertools
import math
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

import pytest

from jobmgrd.client import (
    BlockingClient,
    Client,
    ConnectionLostError,
    NoDaemonError,
    RpcError,
    find,
    follow_purges,
)
from jobmgrd.client.calls import Calls, Outcome, checked
from jobmgrd.client.events import Feed
from jobmgrd.client.link import connect, subscribe
from protocol.events import PURGE
from protocol.jobspec import from_command, set_attribute
from protocol.message import Event, Message, decode
from protocol.payload import Format, encode, format_of
from tests.conftest import DaemonProcess
from tests.e2e.jobs import run_jobs, simulated

Place: TypeAlias = Callable[[DaemonProcess], str]
"""The URI of a daemon, by one of the ways in."""

MIB = 2**20
PAD = "x" * (MIB // 10)


@pytest.fixture(params=["ipc", "local", "rundir"])
def place(request: pytest.FixtureRequest) -> Place:
    """Each way in, one after the other."""
    uris = {"ipc": "ipc://{}/rpc", "local": "local://{}/local", "rundir": "{}"}
    return lambda daemon: uris[request.param].format(daemon.rundir)


async def test_what_a_kill_interrupts_fails_and_is_not_asked_again(
    daemon: DaemonProcess, place: Place
) -> None:
    """Kill -9 under way: answered is kept, the rest is done once or never, the client goes on."""
    asked, answered = itertools.count(), set[int]()

    async def submit(client: Client) -> None:
        for n in asked:
            jobspec = simulated(None)
            set_attribute(jobspec, "system.job.name", f"n{n}")
            answered.add((await client.rpc("job-ingest.submit", {"jobspec": jobspec}))["id"])
            if len(answered) == 100:
                daemon.kill()

    async with Client(place(daemon), timeout=math.inf) as client:
        follow = {"since": 0, "follow": True}
        watching = asyncio.ensure_future(anext(client.stream("job-manager.purge-log", follow)))
        submits = [submit(client) for _ in range(16)]
        outcomes = await asyncio.gather(*submits, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} <= {ConnectionLostError, NoDaemonError}
        with pytest.raises(ConnectionLostError):
            await watching
        with pytest.raises(NoDaemonError):
            await client.rpc("job-manager.getinfo")
        await asyncio.to_thread(daemon.start)
        request = {"max_entries": 0, "attrs": ["name"]}
        jobs = (await client.rpc("job-list.list", request))["jobs"]
    assert answered <= {job["id"] for job in jobs}
    names = [job["name"] for job in jobs]
    assert len(names) == len(set(names))


def test_a_client_that_was_idle_notices_no_restart(daemon: DaemonProcess, place: Place) -> None:
    """Neither of a daemon that was stopped nor of one that was killed; its streams do."""
    with BlockingClient(place(daemon)) as client:
        for end in (daemon.stop, daemon.kill):
            assert client.rpc("job-manager.getinfo") == {"max_jobid": 0}
            watch = client.stream("job-manager.events-journal", {"full": True})
            next(watch)
            end()
            daemon.start()
            with pytest.raises((ConnectionLostError, RpcError)):
                next(watch)


async def test_purges_are_followed_over_a_restart(daemon: DaemonProcess, place: Place) -> None:
    """Each once and in order; what was purged between two subscriptions is read from the log."""
    purge = {"num_limit": 0, "batch": 1, "force": True}
    await asyncio.to_thread(run_jobs, daemon, 6)
    await asyncio.to_thread(daemon.rpc, "job-manager.purge", purge)
    seen = []
    async with asyncio.timeout(30), Client(place(daemon)) as client:
        async for batch in follow_purges(client, since=0):
            seen.append(batch.seq)
            if batch.seq == 2:
                daemon.kill()
                await asyncio.to_thread(daemon.start)
                await asyncio.to_thread(daemon.rpc, "job-manager.purge", purge)
            if batch.seq == 6:
                break
            await asyncio.to_thread(daemon.rpc, "job-manager.purge", purge)
    assert seen == [1, 2, 3, 4, 5, 6]


def test_large_payloads_pass_both_ways(daemon: DaemonProcess, place: Place) -> None:
    """Far more than a socket takes at once; what is too large is refused by name."""
    value = "x" * (3 * MIB)
    with BlockingClient(place(daemon)) as client:
        spec = from_command(["true"], environment={"LARGE": value})
        id = client.rpc("job-ingest.submit", {"jobspec": spec})["id"]
        keys = {"id": id, "keys": ["jobspec"], "flags": 0}
        assert value in client.rpc("job-info.lookup", keys)["jobspec"]
        spec = from_command(["true"], environment={"LARGE": value * 2})
        with pytest.raises(RpcError, match=r"the limit of \[rpc\] max-message-size") as caught:
            client.rpc("job-ingest.submit", {"jobspec": spec})
        assert caught.value.errnum == errno.EMSGSIZE
        assert client.rpc("job-manager.getinfo")["max_jobid"] == id


@pytest.mark.parametrize("topic", ["job-manager.getinfo", "job-manager.stats-get", "config.get"])
def test_answers_are_MessagePack(shared_daemon: DaemonProcess, place: Place, topic: str) -> None:  # noqa: N802
    """Also over the local connector, where flux's tools are answered in JSON."""
    link, calls, outcomes = connect(find(place(shared_daemon))), Calls(), list[Outcome]()
    _, frames = calls.open(topic, None, outcomes.append)
    link.send(frames)
    while not outcomes:
        assert link.turn(calls.receive, math.inf)
    link.close()
    assert format_of(checked(outcomes[0]).payload) is Format.MSGPACK


def test_events_are_MessagePack(shared_daemon: DaemonProcess, place: Place) -> None:  # noqa: N802
    """In the format that was subscribed in."""
    feed, taken = Feed([PURGE]), list[Message]()

    def receive(frames: list[bytes]) -> None:
        if feed.receive(frames) is not None:
            taken.append(decode(frames))

    link = subscribe(find(place(shared_daemon)), feed)
    while not feed.settled:
        assert link.turn(receive, math.inf)
    run_jobs(shared_daemon, 1)
    shared_daemon.rpc("job-manager.purge", {"num_limit": 0, "force": True})
    while not taken:
        assert link.turn(receive, math.inf)
    link.close()
    assert isinstance(taken[0], Event)
    assert format_of(taken[0].payload) is Format.MSGPACK


def test_a_slow_subscriber_is_told_what_it_lost(shared_daemon: DaemonProcess) -> None:
    """Over the local connector: without a gap, and then the end; nothing is left out silently."""
    event = {"topic": "noise", "payload": b64encode(encode({"pad": PAD})).decode(), "flags": 0}
    with (
        shared_daemon.client() as client,
        BlockingClient(f"local://{shared_daemon.rundir}/local").subscribe("noise") as events,
    ):
        published = [client.rpc("event.publish", event)["seq"] for _ in range(800)]
        heard = list[int]()
        with suppress(ConnectionLostError):
            heard.extend(event.sequence for event in events)
    assert 0 < len(heard) < len(published)
    assert heard == published[: len(heard)]


def test_streams_are_streams(shared_daemon: DaemonProcess, place: Place) -> None:
    """Values come as they are made, beside other RPCs; a stream that is left is ended."""
    with BlockingClient(place(shared_daemon)) as client:
        stream = client.stream("job-manager.events-journal", {"full": True})
        (id,) = run_jobs(shared_daemon, 1)
        seen = list[str]()
        while "clean" not in seen:
            reply = next(stream)
            if reply["id"] == id:
                seen += [entry["name"] for entry in reply["events"]]
        assert seen[0] == "submit"
        assert client.rpc("job-manager.stats-get")["journal"]["listeners"] == 1
        stream.close()
        while client.rpc("job-manager.stats-get")["journal"]["listeners"]:
            pass
