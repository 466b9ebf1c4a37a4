"""The blocking client against real sockets: the same promises as the asyncio one."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobmgrd.client import (
    BlockingClient,
    ConnectionLostError,
    Event,
    NoDaemonError,
    RpcError,
    RpcTimeoutError,
)
from jobmgrd.client.zmq_link import ZmqLink
from protocol.errors import PayloadError
from protocol.message import Request
from protocol.payload import decode

if TYPE_CHECKING:
    from tests.client.conftest import FakeDaemon


def test_an_rpc_gives_back_the_reply(daemon: "FakeDaemon") -> None:
    """A dict, or the type asked for."""
    with BlockingClient(daemon.uri) as client:
        assert client.rpc("echo", {"n": 1}) == {"n": 1}
        assert client.rpc("echo", {"n": 1}, reply=dict[str, float]) == {"n": 1.0}
        assert client.rpc("echo", timeout=math.inf) == {}


def test_an_error_response_is_raised(daemon: "FakeDaemon") -> None:
    """Errnum and text arrive as the daemon sent them."""
    daemon.handlers["no"] = lambda _: [(1, "owner only")]
    with BlockingClient(daemon.uri) as client, pytest.raises(RpcError, match="owner only"):
        client.rpc("no")


def test_silence_is_a_timeout_and_the_late_answer_is_ignored(daemon: "FakeDaemon") -> None:
    """The connection goes on as before."""
    with BlockingClient(daemon.uri) as client:
        with pytest.raises(RpcTimeoutError, match=r"no answer to silence within 0\.01 s"):
            client.rpc("silence", timeout=0.01)
        request = daemon.received("silence")
        daemon.do(lambda: daemon.respond(request, {"late": True}))
        assert client.rpc("echo", {"n": 3}) == {"n": 3}


def test_without_a_socket_there_is_no_daemon(tmp_path: Path) -> None:
    """Known at once, on entering, calling and subscribing."""
    client = BlockingClient(str(tmp_path), timeout=math.inf)
    for attempt in (client.__enter__, lambda: client.rpc("x"), client.subscribe().__enter__):
        with pytest.raises(NoDaemonError, match=r"is it running\?"):
            attempt()


def test_a_pending_rpc_fails_when_the_daemon_goes(daemon: "FakeDaemon") -> None:
    """At once instead of at its timeout."""

    def leave(_: Request) -> list[None]:
        daemon.leave()
        return []

    daemon.handlers["leave"] = leave
    with BlockingClient(daemon.uri, timeout=math.inf) as client:
        with pytest.raises(ConnectionLostError):
            client.rpc("leave")
        with pytest.raises(NoDaemonError):
            client.rpc("echo")


def test_the_next_rpc_finds_the_daemon_that_came_back(
    start_daemon: Callable[[], "FakeDaemon"],
) -> None:
    """A client that was idle while the daemon restarted notices nothing."""
    first = start_daemon()
    with BlockingClient(first.uri) as client:
        client.rpc("echo")
        link = client._link
        assert link is not None
        first.stop()
        if isinstance(link, ZmqLink):
            link.monitor.poll(5000)
        start_daemon()
        assert client.rpc("echo", {"n": 1}) == {"n": 1}


def test_a_stream_ends_regularly_or_with_an_error(daemon: "FakeDaemon") -> None:
    """ENODATA ends the iteration (RFC 6), every other errno is raised."""
    daemon.handlers["watch"] = lambda _: [{"n": 1}, {"n": 2}, (61, "")]
    daemon.handlers["broken"] = lambda _: [(2, "unknown job")]
    with BlockingClient(daemon.uri) as client:
        assert list(client.stream("watch")) == [{"n": 1}, {"n": 2}]
        with pytest.raises(RpcError, match="unknown job"):
            list(client.stream("broken"))


def test_rpcs_go_on_while_a_stream_is_read(daemon: "FakeDaemon") -> None:
    """The stream's answers wait their turn; leaving it cancels it."""
    daemon.handlers["job.watch"] = lambda _: [{"n": 1}, {"n": 2}, {"n": 3}]
    seen = []
    with BlockingClient(daemon.uri) as client:
        for item in client.stream("job.watch"):
            seen.append((item["n"], client.rpc("echo", item)["n"]))
            if item["n"] == 2:
                break
        watch = daemon.received("job.watch")
        cancel = daemon.received("job.watch-cancel")
    assert seen == [(1, 1), (2, 2)]
    assert decode(cancel.payload) == {"matchtag": watch.matchtag}


def test_closing_says_goodbye(daemon: "FakeDaemon") -> None:
    """So that the daemon releases what it holds for this peer."""
    with BlockingClient(daemon.uri) as client:
        client.rpc("echo")
    assert daemon.received("disconnect").noresponse
    with pytest.raises(RuntimeError, match="closed"):
        client.rpc("echo")
    client.close()


def test_nothing_published_after_entering_is_missed(daemon: "FakeDaemon") -> None:
    """A subscription is in effect when it is entered, every time."""
    client = BlockingClient(daemon.uri)
    for n in range(50):
        with client.subscribe("job-") as events:
            daemon.publish("other", {})
            daemon.publish("job-state", {"n": n})
            assert next(events) == Event("job-state", {"n": n}, 2 * n + 2)


def test_a_broken_event_is_an_error_and_not_the_end(daemon: "FakeDaemon") -> None:
    """The event after it is delivered."""
    with BlockingClient(daemon.uri).subscribe("a") as events:
        daemon.publish("a", b"\xff")
        daemon.publish("a", {"n": 2})
        with pytest.raises(PayloadError):
            next(events)
        assert next(events).payload == {"n": 2}


def test_a_subscription_ends_with_its_daemon(daemon: "FakeDaemon") -> None:
    """After the events that arrived, and for good."""
    with BlockingClient(daemon.uri, timeout=math.inf).subscribe() as events:
        daemon.publish("a", {})
        daemon.stop()
        assert next(events).topic == "a"
        for _ in range(2):
            with pytest.raises(ConnectionLostError):
                next(events)


def test_an_unconfirmed_subscription_fails(daemon: "FakeDaemon") -> None:
    """By its timeout."""
    daemon.confirm_nothing()
    with pytest.raises(RpcTimeoutError):
        BlockingClient(daemon.uri, timeout=0.02).subscribe("a").__enter__()
