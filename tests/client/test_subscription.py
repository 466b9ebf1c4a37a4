"""asyncio subscriptions against real sockets."""

import asyncio
import math
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobmgrd.client import Client, ConnectionLostError, Event, NoDaemonError, RpcTimeoutError
from protocol.errors import PayloadError

if TYPE_CHECKING:
    from tests.client.conftest import FakeDaemon


async def test_nothing_published_after_entering_is_missed(daemon: "FakeDaemon") -> None:
    """A subscription is in effect when it is entered, every time."""
    client = Client(daemon.uri)
    for n in range(50):
        async with client.subscribe("job-") as events:
            daemon.publish("job-state", {"n": n})
            assert (await anext(events)).payload == {"n": n}


async def test_only_subscribed_topics_arrive(daemon: "FakeDaemon") -> None:
    """Topics are prefixes, and several are one subscription."""
    async with Client(daemon.uri).subscribe("job-", "heart") as events:
        for topic in ("job-state", "log", "heartbeat.pulse"):
            daemon.publish(topic, {})
        assert await anext(events) == Event("job-state", {}, 1)
        assert await anext(events) == Event("heartbeat.pulse", {}, 3)


@pytest.mark.parametrize("way", ["ipc"], indirect=True)
async def test_a_subscriber_of_everything_sees_gaps(daemon: "FakeDaemon") -> None:
    """Also one right after entering; other subscribers' confirmations are not events."""
    client = Client(daemon.uri)
    daemon.publish("before", {})
    async with client.subscribe() as events:
        daemon.publish("a", {}, skip=2)
        async with client.subscribe("other"):
            daemon.publish("b", {})
        assert await anext(events) == Event("a", {}, 4, missed=2)
        assert await anext(events) == Event("b", {}, 5, missed=0)


@pytest.mark.parametrize("way", ["local"], indirect=True)
async def test_on_a_connection_of_its_own_nothing_is_missed(daemon: "FakeDaemon") -> None:
    """What is not sent to a guest is not lost; a connection that cannot be kept up with ends."""
    async with Client(daemon.uri).subscribe() as events:
        daemon.publish("a", {})
        daemon.publish("b", {}, skip=2)
        assert await anext(events) == Event("a", {}, 1)
        assert await anext(events) == Event("b", {}, 4, missed=0)


async def test_without_a_publisher_entering_fails_at_once(tmp_path: Path) -> None:
    """As an RPC would."""
    with pytest.raises(NoDaemonError):
        await Client(str(tmp_path)).subscribe("a").__aenter__()


async def test_an_unconfirmed_subscription_times_out(daemon: "FakeDaemon") -> None:
    """A publisher that confirms nothing cannot promise anything."""
    daemon.confirm_nothing()
    with pytest.raises(RpcTimeoutError, match="no answer to subscription within"):
        await Client(daemon.uri, timeout=0.02).subscribe("a").__aenter__()


async def test_a_subscription_ends_with_its_daemon(daemon: "FakeDaemon") -> None:
    """After the events that arrived, and for good: silence would look like peace."""
    async with Client(daemon.uri, timeout=math.inf).subscribe("a") as events:
        daemon.publish("a", {})
        daemon.stop()
        assert (await anext(events)).topic == "a"
        for _ in range(2):
            with pytest.raises(ConnectionLostError):
                await anext(events)


async def test_a_daemon_that_goes_before_confirming_is_lost(daemon: "FakeDaemon") -> None:
    """Entering does not wait for its timeout."""
    daemon.confirm_nothing()
    entering = asyncio.ensure_future(
        Client(daemon.uri, timeout=math.inf).subscribe("a").__aenter__()
    )
    assert await asyncio.to_thread(daemon.subscribed.wait, 5)
    daemon.stop()
    with pytest.raises(ConnectionLostError):
        await entering


async def test_leaving_ends_the_iteration_elsewhere(daemon: "FakeDaemon") -> None:
    """A task that waits for an event is not left waiting."""
    async with Client(daemon.uri).subscribe("a") as events:
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
    with pytest.raises(ConnectionLostError, match="the subscription was closed"):
        await waiting


async def test_a_broken_event_is_an_error_and_not_the_end(daemon: "FakeDaemon") -> None:
    """The event after it is delivered."""
    async with Client(daemon.uri).subscribe("a") as events:
        daemon.publish("a", b"\xff")
        daemon.publish("a", {"n": 2})
        with pytest.raises(PayloadError):
            await anext(events)
        assert (await anext(events)).payload == {"n": 2}
