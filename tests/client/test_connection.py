"""The asyncio client against real sockets."""

import asyncio
import math
import socket
from collections.abc import Callable, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import Struct

from jobmgrd.client import (
    Client,
    ConnectionLostError,
    NoDaemonError,
    RpcError,
    RpcTimeoutError,
)
from jobmgrd.client.zmq_pump import ZmqPump
from protocol.errors import PayloadError
from protocol.message import FLAG_NORESPONSE, Request
from protocol.payload import decode

if TYPE_CHECKING:
    from tests.client.conftest import FakeDaemon


class Echo(Struct, frozen=True):
    """A payload with one key."""

    n: int


async def received(daemon: "FakeDaemon", topic: str) -> Request:
    """The daemon's next request of a topic, without holding up the loop."""
    return await asyncio.to_thread(daemon.received, topic)


async def test_an_rpc_gives_back_the_reply(daemon: "FakeDaemon") -> None:
    """A dict, or the type asked for; a struct or a map goes out."""
    async with Client(daemon.uri) as client:
        assert await client.rpc("echo", {"n": 1}) == {"n": 1}
        assert await client.rpc("echo", Echo(2), reply=Echo) == Echo(2)
        assert await client.rpc("echo") == {}


async def test_an_error_response_is_raised(daemon: "FakeDaemon") -> None:
    """Errnum and text arrive as the daemon sent them."""
    daemon.handlers["no"] = lambda _: [(38, "no such service")]
    async with Client(daemon.uri) as client:
        with pytest.raises(RpcError, match="no such service") as caught:
            await client.rpc("no")
    assert caught.value.errnum == 38


async def test_a_reply_of_another_shape_is_an_error(daemon: "FakeDaemon") -> None:
    """The caller learns that daemon and client disagree."""
    async with Client(daemon.uri) as client:
        with pytest.raises(PayloadError):
            await client.rpc("echo", {"m": 1}, reply=Echo)


async def test_silence_is_a_timeout_and_the_late_answer_is_ignored(daemon: "FakeDaemon") -> None:
    """The connection goes on as before."""
    async with Client(daemon.uri, timeout=0.02) as client:
        with pytest.raises(RpcTimeoutError, match=r"no answer to silence within 0\.02 s"):
            await client.rpc("silence")
        request = await received(daemon, "silence")
        daemon.do(lambda: daemon.respond(request, {"late": True}))
        assert await client.rpc("echo", {"n": 3}, timeout=math.inf) == {"n": 3}


async def test_unknown_matchtags_are_ignored(daemon: "FakeDaemon") -> None:
    """A response that nobody asked for disturbs nobody."""

    def twice(request: Request) -> Iterable[dict[str, Any]]:
        daemon.respond(request, {"n": 0}, matchtag=4_000_000_000)
        return [{"n": 1}]

    daemon.handlers["twice"] = twice
    async with Client(daemon.uri) as client:
        assert await client.rpc("twice") == {"n": 1}


async def test_ten_thousand_rpcs_at_once(daemon: "FakeDaemon") -> None:
    """Each gets its own answer."""
    async with Client(daemon.uri) as client:
        replies = await asyncio.gather(*(client.rpc("echo", {"n": n}) for n in range(10_000)))
    assert replies == [{"n": n} for n in range(10_000)]


async def test_answers_may_come_in_any_order(daemon: "FakeDaemon") -> None:
    """The daemon answers the first request last."""
    kept: list[Request] = []

    def later(request: Request) -> Iterable[dict[str, Any]]:
        kept.append(request)
        if len(kept) == 3:
            for one in reversed(kept):
                daemon.respond(one, decode(one.payload))
        return ()

    daemon.handlers["later"] = later
    async with Client(daemon.uri) as client:
        replies = await asyncio.gather(*(client.rpc("later", {"n": n}) for n in range(3)))
    assert replies == [{"n": 0}, {"n": 1}, {"n": 2}]


@pytest.mark.parametrize("way", ["ipc"], indirect=True)
async def test_sends_do_not_swallow_the_signal_of_an_answer(daemon: "FakeDaemon") -> None:
    """50 answers wait in the socket when a send looks at it, and swallows their one signal."""
    async with Client(daemon.uri, timeout=5) as client:
        for n in range(50):
            first = asyncio.ensure_future(client.rpc("echo", {"n": n}))
            await asyncio.sleep(0)  # sent; now, with the loop held up, the answer arrives
            daemon.received("echo")
            assert isinstance(client._pump, ZmqPump)
            client._pump._link.socket.poll(5000)
            second = asyncio.ensure_future(client.rpc("silence", timeout=math.inf))
            assert await first == {"n": n}
            second.cancel()


async def test_without_a_socket_there_is_no_daemon(tmp_path: Path) -> None:
    """Known at once, whatever the timeout."""
    with pytest.raises(NoDaemonError, match=r"no jobmgrd answers at ipc://.*is it running\?"):
        await Client(str(tmp_path), timeout=math.inf).rpc("echo")
    with pytest.raises(NoDaemonError, match=r"no jobmgrd answers at local://.*is it running\?"):
        await Client(f"local://{tmp_path}/local", timeout=math.inf).rpc("echo")


async def test_a_stale_socket_is_no_daemon(tmp_path: Path, way: str) -> None:
    """A daemon that was killed leaves its socket file behind."""
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "s"))
    with pytest.raises(NoDaemonError, match="Connection refused"):
        await Client(f"{way}://{tmp_path}/s", timeout=math.inf).rpc("echo")


async def test_a_daemon_with_a_full_backlog_is_a_daemon(tmp_path: Path, way: str) -> None:
    """Busy is not gone: the RPC is sent, and times out."""
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as other:
        busy.bind(str(tmp_path / "s"))
        busy.listen(0)
        other.connect(str(tmp_path / "s"))
        async with Client(f"{way}://{tmp_path}/s") as client:
            with pytest.raises(RpcTimeoutError):
                await client.rpc("echo", timeout=0.01)


async def test_what_is_pending_fails_when_the_daemon_goes(daemon: "FakeDaemon") -> None:
    """RPCs and streams end at once instead of at their timeout."""
    async with Client(daemon.uri, timeout=math.inf) as client:
        pending = asyncio.ensure_future(client.rpc("silence"))
        watching = asyncio.ensure_future(anext(client.stream("watch")))
        await received(daemon, "watch")
        daemon.stop()
        with pytest.raises(ConnectionLostError, match="the daemon closed the connection"):
            await pending
        with pytest.raises(ConnectionLostError):
            await watching
        with pytest.raises(NoDaemonError):
            await client.rpc("echo")


async def test_the_last_words_of_a_daemon_are_heard(daemon: "FakeDaemon") -> None:
    """What it sent before it went is delivered."""

    def leave(_: Request) -> Iterable[dict[str, Any]]:
        daemon.leave()
        return [{"bye": 1}]

    daemon.handlers["leave"] = leave
    async with Client(daemon.uri) as client:
        assert await client.rpc("leave") == {"bye": 1}


async def test_the_next_rpc_finds_the_daemon_that_came_back(
    start_daemon: Callable[[], "FakeDaemon"],
) -> None:
    """And the request that failed is not sent to it a second time."""
    first = start_daemon()
    async with Client(first.uri) as client:
        pending = asyncio.ensure_future(client.rpc("silence", timeout=math.inf))
        await received(first, "silence")
        first.stop()
        with pytest.raises(ConnectionLostError):
            await pending
        second = start_daemon()
        assert await client.rpc("echo", {"n": 1}) == {"n": 1}
        assert [request.topic for request in second.requests.queue] == ["echo"]


async def test_a_stream_ends_regularly(daemon: "FakeDaemon") -> None:
    """ENODATA ends the iteration (RFC 6) and needs no cancel."""
    daemon.handlers["watch"] = lambda _: [{"n": 1}, {"n": 2}, (61, "")]
    async with Client(daemon.uri) as client:
        assert [item async for item in client.stream("watch", {})] == [{"n": 1}, {"n": 2}]
        await client.rpc("echo")
    assert [request.topic for request in daemon.requests.queue][:2] == ["watch", "echo"]


async def test_a_stream_ends_with_an_error(daemon: "FakeDaemon") -> None:
    """Every other errno is raised, after what came before it."""
    daemon.handlers["watch"] = lambda _: [{"n": 1}, (2, "unknown job")]
    async with Client(daemon.uri) as client:
        stream = client.stream("watch")
        assert await anext(stream) == {"n": 1}
        with pytest.raises(RpcError, match="unknown job"):
            await anext(stream)


async def test_leaving_a_stream_cancels_it(daemon: "FakeDaemon") -> None:
    """The service is told by its own cancel request which stream nobody reads."""
    daemon.handlers["job.watch"] = lambda _: [{"n": 1}, {"n": 2}]
    async with Client(daemon.uri) as client:
        async with aclosing(client.stream("job.watch")) as stream:
            async for _ in stream:
                break
        watch = await received(daemon, "job.watch")
        cancel = await received(daemon, "job.watch-cancel")
    assert decode(cancel.payload) == {"matchtag": watch.matchtag}
    assert cancel.flags == FLAG_NORESPONSE


async def test_breaking_out_of_a_stream_cancels_it(daemon: "FakeDaemon") -> None:
    """Also without aclosing: the abandoned generator is closed by the loop."""
    daemon.handlers["job.watch"] = lambda _: [{"n": 1}]
    async with Client(daemon.uri) as client:
        async for _ in client.stream("job.watch"):
            break
        await received(daemon, "job.watch-cancel")


async def test_closing_says_goodbye(daemon: "FakeDaemon") -> None:
    """So that the daemon releases what it holds for this peer; what is pending fails."""
    async with Client(daemon.uri, timeout=math.inf) as client:
        pending = asyncio.ensure_future(client.rpc("silence"))
        await received(daemon, "silence")
    assert (await received(daemon, "disconnect")).noresponse
    with pytest.raises(ConnectionLostError, match="the client was closed"):
        await pending
    with pytest.raises(RuntimeError, match="closed"):
        await client.rpc("echo")
    await client.close()
