"""The local connector as clients use it: greetings, large messages, a daemon that is busy."""

import asyncio
import errno
import math
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobmgrd.client import (
    BlockingClient,
    Client,
    ConnectionLostError,
    NotAdmittedError,
    follow_purges,
)
from jobmgrd.client.follower import Follower
from jobmgrd.client.local_link import LocalLink
from protocol import stream
from tests.client.conftest import FakeDaemon

LARGE = 12 << 20


@contextmanager
def greeting(rundir: Path, greeting: bytes) -> Iterator[str]:
    """A daemon that greets so; its URI."""
    fake = FakeDaemon(rundir, "local", greeting)
    yield fake.uri
    fake.stop()


def errors(uri: str) -> set[tuple[type[Exception], str]]:
    """What is raised for who asks, who streams and who subscribes, blocking and not."""
    heard: list[Exception] = []

    async def ask() -> None:
        async with Client(uri, timeout=math.inf) as client:
            for attempt in (client.rpc("echo"), anext(client.stream("echo"))):
                with pytest.raises(ConnectionLostError) as caught:
                    await attempt
                heard.append(caught.value)
        with pytest.raises(ConnectionLostError) as caught:
            await client.subscribe().__aenter__()
        heard.append(caught.value)

    asyncio.run(ask())
    with BlockingClient(uri, timeout=math.inf) as client:
        for attempt in (lambda: client.rpc("echo"), client.subscribe().__enter__):
            with pytest.raises(ConnectionLostError) as caught:
                attempt()
            heard.append(caught.value)
    assert len(heard) == 5
    return {(type(error), str(error)) for error in heard}


def test_who_is_not_let_in_is_told_so(tmp_path: Path) -> None:
    """The greeting is an errno, at once, to whoever asks first."""
    with greeting(tmp_path, bytes([errno.EPERM])) as uri:
        assert errors(uri) == {(NotAdmittedError, "the daemon does not let this user in")}


async def test_who_is_not_let_in_follows_nothing(tmp_path: Path) -> None:
    """A daemon that is away is waited for; one that says no is not asked for ever."""
    with greeting(tmp_path, bytes([errno.EPERM])) as uri:
        async with Client(uri) as client:
            with pytest.raises(NotAdmittedError):
                await anext(follow_purges(client))
        with pytest.raises(NotAdmittedError):
            async with Follower(uri) as follower:
                await follower.until(bool)


def test_who_is_one_too_many_is_told_so(tmp_path: Path) -> None:
    """It may try again."""
    with greeting(tmp_path, bytes([errno.EMFILE])) as uri:
        text = "the daemon has no room for this client: Too many open files"
        assert errors(uri) == {(ConnectionLostError, text)}


def test_what_is_no_daemon_is_told_apart(tmp_path: Path) -> None:
    """Something else may listen at a path that was given."""
    with greeting(tmp_path, stream.GREETING + b"220 mail.example ESMTP") as uri:
        ((kind, text),) = errors(uri)
    assert kind is ConnectionLostError
    assert text.startswith(f"what answers at {tmp_path}/local is no jobmgrd: message begins with")


def test_large_messages_pass_whole_both_ways(tmp_path: Path) -> None:
    """Far more than a socket takes at once, while smaller ones go on."""
    fake = FakeDaemon(tmp_path, "local")

    async def ask() -> None:
        async with Client(fake.uri) as client:
            sizes = [LARGE, 1, LARGE, 2]
            answers = await asyncio.gather(*(client.rpc("echo", {"b": b"x" * n}) for n in sizes))
            assert [len(answer["b"]) for answer in answers] == sizes

    with BlockingClient(fake.uri) as client:
        assert len(client.rpc("echo", {"b": b"x" * LARGE})["b"]) == LARGE
    asyncio.run(ask())
    fake.stop()


@contextmanager
def busy(path: Path) -> Iterator[socket.socket]:
    """A socket whose backlog is full until somebody accepts."""
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as other:
        listener.bind(str(path))
        listener.listen(0)
        other.connect(str(path))
        yield listener


def serve_second(listener: socket.socket) -> bytes:
    """Make room in the backlog, answer the client that comes then with `echo`; what it sent."""
    listener.accept()[0].close()
    connection, _ = listener.accept()
    with connection:
        connection.sendall(stream.GREETING)
        heard = connection.recv(1 << 16)
        connection.shutdown(socket.SHUT_WR)
        while more := connection.recv(1 << 16):
            heard += more
    return heard


async def test_a_daemon_that_was_busy_hears_what_was_asked_meanwhile(tmp_path: Path) -> None:
    """Once, when it has room."""
    with busy(tmp_path / "local") as listener:
        async with Client(f"local://{tmp_path}/local") as client:
            calls = [asyncio.ensure_future(client.rpc(topic)) for topic in ("one", "two")]
            await asyncio.sleep(0)
            heard = await asyncio.to_thread(serve_second, listener)
            for call in calls:
                with pytest.raises(ConnectionLostError):
                    await call
    assert (heard.count(b"one"), heard.count(b"two")) == (1, 1)


def test_who_blocks_waits_for_a_busy_daemon_too(tmp_path: Path) -> None:
    """With the same promise."""
    heard: list[bytes] = []
    with busy(tmp_path / "local") as listener:
        with BlockingClient(f"local://{tmp_path}/local") as client:
            server = threading.Thread(target=lambda: heard.append(serve_second(listener)))
            server.start()
            with pytest.raises(ConnectionLostError):
                client.rpc("one")
        server.join()
    assert heard[0].count(b"one") == 1


def test_a_busy_daemon_that_goes_is_lost(tmp_path: Path) -> None:
    """Nothing was sent to it, and nothing waits for the next one."""
    with busy(tmp_path / "local") as listener:
        client = BlockingClient(f"local://{tmp_path}/local", timeout=math.inf)
        client.__enter__()
        listener.close()
        with pytest.raises(ConnectionLostError):
            client.rpc("one")
        client.close()


class TestTheWayIn:
    """A run directory leaves it to the client."""

    def test_the_local_connector_is_taken_where_it_is_served(self, tmp_path: Path) -> None:
        """Also beside ZeroMQ's sockets."""
        beside = FakeDaemon(tmp_path, "ipc")
        fake = FakeDaemon(tmp_path, "local")
        with BlockingClient(fake.uri) as client:
            client.rpc("echo")
            with client.subscribe("a") as events:
                fake.publish("a", {"n": 1})
                assert next(events).payload == {"n": 1}
            assert isinstance(client._link, LocalLink)
        assert beside.requests.empty()
        fake.stop()
        beside.stop()

    @pytest.mark.parametrize("is_stale", [False, True], ids=["not there", "stale"])
    def test_otherwise_ZeroMQ_is(self, tmp_path: Path, is_stale: bool) -> None:  # noqa: N802
        """A daemon without the connector is a daemon, whatever another one left behind."""
        if is_stale:
            with socket.socket(socket.AF_UNIX) as stale:
                stale.bind(str(tmp_path / "local"))
        fake = FakeDaemon(tmp_path, "ipc")
        with BlockingClient(fake.uri) as client:
            assert client.rpc("echo", {"n": 1}) == {"n": 1}
        assert fake.received("echo")
        fake.stop()
