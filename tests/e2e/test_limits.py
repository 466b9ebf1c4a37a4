"""What one client may have of a daemon: more is refused by name and counted, and harms nobody."""

import asyncio
import errno
from collections.abc import Iterator
from typing import Any, Final

import pytest
import zmq

from jobmgrd.client import BlockingClient, Client
from protocol.errors import RpcError
from protocol.jobspec import from_command
from protocol.message import FLAG_STREAMING, Request, Response, decode
from protocol.payload import encode
from tests.conftest import DaemonProcess

LONG: Final = {"system.exec.test.run_duration": "1h"}
WAIT: Final = 10_000
CONFIG: Final = """
[rpc]
max-message-size = "64k"
requests-per-peer = 2
streams-per-peer = 2
queued-bytes-per-peer = "100k"
[events]
subscriptions-per-peer = 2
[job-manager]
active-jobs-per-user = 3
"""


@pytest.fixture
def daemon(stopped_daemon: DaemonProcess) -> DaemonProcess:
    """A daemon with small limits."""
    stopped_daemon.configure(CONFIG)
    stopped_daemon.start()
    return stopped_daemon


@pytest.fixture
def client(daemon: DaemonProcess) -> Iterator[BlockingClient]:
    """A client of it, to be refused."""
    with daemon.client() as client:
        yield client


@pytest.fixture
def dealer(daemon: DaemonProcess) -> Iterator["zmq.Socket[bytes]"]:
    """A socket that reads only when the test does, one message ahead."""
    sock: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    with sock:
        sock.setsockopt(zmq.LINGER, 0)
        sock.setsockopt(zmq.RCVTIMEO, WAIT)
        sock.setsockopt(zmq.RCVHWM, 1)
        sock.setsockopt(zmq.RCVBUF, 4096)
        sock.connect(f"ipc://{daemon.rundir}/rpc")
        yield sock


def submit(client: BlockingClient) -> int:
    """Submit a job that runs for long; its id."""
    spec = from_command(["true"], attributes=LONG)
    return int(client.rpc("job-ingest.submit", {"jobspec": spec})["id"])


def refused(daemon: DaemonProcess) -> dict[str, Any]:
    """How often each limit was met."""
    return dict(daemon.rpc("job-manager.stats-get")["refused"])


def send(
    sock: "zmq.Socket[bytes]", topic: str, body: dict[str, Any], tag: int, flags: int = 0
) -> None:
    """Send a request."""
    sock.send_multipart(Request(topic, encode(body), matchtag=tag, flags=flags).frames())


def receive(sock: "zmq.Socket[bytes]") -> Response:
    """The next response."""
    answer = decode(sock.recv_multipart())
    assert isinstance(answer, Response)
    return answer


async def test_requests_under_way(daemon: DaemonProcess) -> None:
    """Two wait for a job, the third is refused; another client's is not, nor a later one."""
    with daemon.client() as other:
        id = submit(other)
        waits = {"id": id, "attrs": [], "state": 64}
        async with Client(daemon.uri) as client:
            two = [asyncio.create_task(client.rpc("job-list.list-id", waits)) for _ in range(2)]
            await asyncio.sleep(0)  # both are on their way, before the third
            with pytest.raises(RpcError) as caught:
                await client.rpc("job-manager.getattr", {"id": id, "attrs": []})
            assert (caught.value.errnum, caught.value.text) == (
                errno.EAGAIN,
                "2 requests of this client are under way: the limit of [rpc] requests-per-peer",
            )
            assert other.rpc("job-list.list-id", {"id": id, "attrs": []})
            other.rpc("job-manager.raise", {"id": id, "type": "cancel", "severity": 0})
            assert len(await asyncio.gather(*two)) == 2
            assert await client.rpc("job-list.list-id", {"id": id, "attrs": []})
    assert refused(daemon)["requests"] == 1


def test_streams(client: BlockingClient, daemon: DaemonProcess) -> None:
    """Watchers are streams; one that ends makes room."""
    two = [client.stream("job-list.job-stats") for _ in range(2)]
    for stream in two:
        next(stream)
    with pytest.raises(RpcError, match=r"the limit of \[rpc\] streams-per-peer") as caught:
        next(client.stream("job-list.job-stats"))
    assert caught.value.errnum == errno.EAGAIN
    two[0].close()
    assert next(client.stream("job-list.job-stats"))
    assert refused(daemon)["streams"] == 1


def test_subscriptions(client: BlockingClient, daemon: DaemonProcess) -> None:
    """Different topics are counted."""
    for topic in ("a", "b", "a"):
        client.rpc("event.subscribe", {"topic": topic})
    with pytest.raises(RpcError, match=r"the limit of \[events\] subscriptions-per-peer") as caught:
        client.rpc("event.subscribe", {"topic": "c"})
    assert caught.value.errnum == errno.ENOSPC
    assert refused(daemon)["subscriptions"] == 1


def test_the_size_of_a_request(client: BlockingClient, daemon: DaemonProcess) -> None:
    """A little too much is told; far too much is not even read, and its client hung up on."""
    with pytest.raises(RpcError, match=r"the limit of \[rpc\] max-message-size") as caught:
        client.rpc("job-manager.ping", {"pad": "x" * 70_000})
    assert caught.value.errnum == errno.EMSGSIZE
    assert client.rpc("job-manager.ping")
    with pytest.raises(ConnectionError):
        client.rpc("job-manager.ping", {"pad": "x" * 1_000_000})
    assert refused(daemon)["message_size"] == 1


def test_bytes_that_a_client_does_not_read(
    dealer: "zmq.Socket[bytes]", daemon: DaemonProcess
) -> None:
    """Its answers give way to errors, which it reads with those that were kept for it."""
    pad, n = "x" * 60_000, 100
    for tag in range(1, n + 1):
        send(dealer, "job-manager.ping", {"pad": pad}, tag)
        if tag % 10 == 0:
            daemon.rpc("job-manager.ping")  # others are served meanwhile
    answers = [receive(dealer) for _ in range(n)]
    (text,) = {answer.error_text for answer in answers if answer.errnum == errno.ENOBUFS}
    assert text.startswith("more than 102400 bytes of answers wait for this client")
    assert text.endswith("the limit of [rpc] queued-bytes-per-peer")
    assert [answer.matchtag for answer in answers] == list(range(1, n + 1)), "none is lost"
    lost = sum(answer.errnum == errno.ENOBUFS for answer in answers)
    assert 0 < lost < n
    assert refused(daemon)["queued_bytes"] == lost
    send(dealer, "job-manager.ping", {"pad": pad}, n + 1)
    assert not receive(dealer).errnum


def test_active_jobs_of_a_user(client: BlockingClient, daemon: DaemonProcess) -> None:
    """A fourth is refused until one has ended, over a restart, and until there is no limit."""
    ids = [submit(client) for _ in range(3)]
    text = r"this user has 3 active jobs: the limit of \[job-manager\] active-jobs-per-user"
    with pytest.raises(RpcError, match=text) as caught:
        submit(client)
    assert caught.value.errnum == errno.EAGAIN
    client.rpc("job-manager.raise", {"id": ids[0], "type": "cancel", "severity": 0})
    ended = {"id": ids[0], "path": "eventlog", "flags": 0}
    assert list(client.stream("job-info.eventlog-watch", ended))
    submit(client)
    daemon.kill()
    daemon.start()
    with daemon.client() as again, pytest.raises(RpcError, match=text):
        submit(again)
    assert refused(daemon)["active_jobs"] == 1
    daemon.configure("")
    daemon.reload()
    with daemon.client() as again:
        submit(again)


def test_a_stream_that_was_refused_leaves_nothing_behind(
    dealer: "zmq.Socket[bytes]", daemon: DaemonProcess
) -> None:
    """Its matchtag is free, and so is its place."""
    for tag in (1, 1, 1, 2):
        send(dealer, "job-info.eventlog-watch", {"id": "?"}, tag, flags=FLAG_STREAMING)
        assert receive(dealer).errnum == errno.EPROTO
    for tag in (1, 2):
        send(dealer, "job-list.job-stats", {}, tag, flags=FLAG_STREAMING)
        assert not receive(dealer).errnum
    assert refused(daemon)["streams"] == 0
