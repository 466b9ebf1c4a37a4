"""What one client may have of a daemon: more is refused by name and counted, and harms nobody.

Each limit is met over every transport to which it applies: ipc, tcp with keys, and RUNDIR/local.
"""

import errno
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
import zmq

from jobmgrd.client import BlockingClient
from protocol.errors import ENODATA, RpcError
from protocol.jobspec import from_command
from protocol.message import FLAG_STREAMING
from tests.conftest import DaemonProcess
from tests.e2e.curve_site import Site
from tests.e2e.raw_clients import (
    Answer,
    Connect,
    OverZmq,
    RawClient,
    may_act_as,
    over_ipc,
    over_local,
    over_tcp,
)

LONG: Final = {"system.exec.test.run_duration": "1h"}
ME: Final = os.geteuid()
MINE, OTHER = 4242, 4243
SOON: Final = 300
"""Milliseconds in which a daemon on this host would have answered."""
LIMITS: Final = """
requests-per-peer = 2
streams-per-peer = 2
max-message-size = "64k"
request-bytes-per-peer = "40k"
queued-bytes-per-peer = "100k"
"""
CONFIG: Final = f"""
[rpc]
{LIMITS}
[events]
subscriptions-per-peer = 2
[job-manager]
active-jobs-per-user = 3
"""
EVERYWHERE: Final[Mapping[str, Connect]] = {"ipc": over_ipc, "tcp": over_tcp, "local": over_local}


class Limited:
    """A daemon with small limits that is reached over everything, and who was refused so far."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.daemon = site.daemon

    def client(self, way: str, who: str = "owner", userid: int = ME) -> RawClient:
        """A connection."""
        return EVERYWHERE[way](self.site, who, userid)

    def reader(self, way: str) -> RawClient:
        """A connection that reads only when the test does, one message ahead."""
        slow: dict[int, int] = {zmq.RCVHWM: 1, zmq.RCVBUF: 4096}
        site = self.site
        if way == "ipc":
            return OverZmq(site.socket(zmq.DEALER, f"ipc://{site.daemon.rundir}/rpc", None, slow))
        return OverZmq(site.socket(zmq.DEALER, site.rpc, site.keys / "owner.key", slow))

    def refused(self) -> Counter[str]:
        """How often each limit was met."""
        return Counter(self.daemon.rpc("job-manager.stats-get")["refused"])

    def cancel(self, id: int) -> None:
        """End a job."""
        with self.daemon.client() as client:
            client.rpc("job-manager.raise", {"id": id, "type": "cancel", "severity": 0})
            assert list(client.stream("job-info.eventlog-watch", {"id": id, "path": "eventlog"}))


@pytest.fixture(scope="module")
def limited() -> Iterator[Limited]:
    """A daemon with small limits that is reached over everything."""
    with TemporaryDirectory(prefix="jm-") as directory:
        daemon = DaemonProcess(Path(directory))
        daemon.directory.chmod(0o711)
        site = Site(daemon)
        for who, userid in (("owner", ME), ("mine", MINE), ("other", OTHER)):
            site.key(who, "owner" if who == "owner" else "user", userid)
        tables = daemon.config.read_text()
        tables = tables.replace("[rpc]\n", f"[rpc]{LIMITS}")
        tables = tables.replace("[events]\n", "[events]\nsubscriptions-per-peer = 2\n")
        daemon.configure(f"{tables}[job-manager]\nactive-jobs-per-user = 3\n")
        daemon.start()
        yield Limited(site)
        daemon.kill()


def submission() -> dict[str, Any]:
    """A job that runs for long."""
    return {"jobspec": from_command(["true"], attributes=LONG)}


def submit(client: BlockingClient) -> int:
    """Submit one; its id."""
    return int(client.rpc("job-ingest.submit", submission())["id"])


def ask(client: RawClient, topic: str, body: Mapping[str, Any], tag: int = 99) -> tuple[int, str]:
    """The errnum and the text that a request is answered with."""
    client.send(topic, body, tag)
    answer = client.receive()
    assert answer.tag == tag
    return answer.errnum, answer.text


@pytest.mark.parametrize("way", EVERYWHERE)
def test_requests_under_way(limited: Limited, way: str) -> None:
    """Two wait for a job, the third is refused; another client's is not, nor a later one."""
    with limited.daemon.client() as other:
        id = submit(other)
        waits, now = {"id": id, "attrs": [], "state": 64}, {"id": id, "attrs": []}
        before = limited.refused()
        with closing(limited.client(way)) as client:
            for tag in (1, 2):
                client.send("job-list.list-id", waits, tag)
            assert ask(client, "job-manager.getattr", now) == (
                errno.EAGAIN,
                "2 requests of this client are under way: the limit of [rpc] requests-per-peer",
            )
            assert other.rpc("job-list.list-id", now)
            limited.cancel(id)
            answers = [client.receive() for _ in range(2)]
            assert {(answer.tag, answer.errnum) for answer in answers} == {(1, 0), (2, 0)}
            assert ask(client, "job-list.list-id", now) == (0, "")
    assert limited.refused() - before == {"requests": 1}


@pytest.mark.parametrize("way", EVERYWHERE)
def test_bytes_of_requests_and_streams_under_way(limited: Limited, way: str) -> None:
    """A large one is refused while one waits, and while a stream is open that began with one."""
    with limited.daemon.client() as other:
        id = submit(other)
    before, large = limited.refused(), {"pad": "x" * 30_000}
    text = (
        "requests of more than 40960 bytes of this client are under way:"
        " the limit of [rpc] request-bytes-per-peer"
    )
    with closing(limited.client(way)) as client:
        client.send("job-list.list-id", {"id": id, "attrs": [], "state": 64, **large}, 1)
        assert ask(client, "job-manager.ping", large) == (errno.EAGAIN, text)
        assert ask(client, "job-manager.ping", {}) == (0, "")
        with closing(limited.client(way)) as other_client:
            assert ask(other_client, "job-manager.ping", large) == (0, "")
        limited.cancel(id)
        assert await_tag(client, 1).errnum == 0
        client.send("job-list.job-stats", large, 2, FLAG_STREAMING)
        assert await_tag(client, 2).errnum == 0
        assert ask(client, "job-manager.ping", large) == (errno.EAGAIN, text)
        client.send("job-list.job-stats-cancel", {"matchtag": 2}, 3)
        assert await_errnum(client, 2) == ENODATA
        assert await_tag(client, 3).errnum == 0
        assert ask(client, "job-manager.ping", large) == (0, "")
    assert limited.refused() - before == {"request_bytes": 2}


@pytest.mark.parametrize("way", EVERYWHERE)
def test_streams(limited: Limited, way: str) -> None:
    """Watchers are streams; one that ends makes room, and so does one that is canceled."""
    with limited.daemon.client() as other:
        id = submit(other)
    before = limited.refused()
    watch, flag = {"id": id, "path": "eventlog", "flags": 0}, FLAG_STREAMING
    text = "2 streams of this client are under way: the limit of [rpc] streams-per-peer"
    with closing(limited.client(way)) as client:
        client.send("job-list.job-stats", {}, 1, flag)
        assert client.receive()[:2] == (1, 0)
        client.send("job-info.eventlog-watch", watch, 2, flag)
        for tag, topic, body in (
            (3, "job-info.update-watch", {"id": id, "key": "jobspec", "flags": 0}),
            (4, "job-manager.events-journal", {"full": False}),
            (5, "job-info.eventlog-watch", watch),
        ):
            client.send(topic, body, tag, flag)
            refused = await_tag(client, tag)
            assert refused[1:3] == (errno.EAGAIN, text)
        client.send("job-list.job-stats-cancel", {"matchtag": 1}, 6)
        assert await_errnum(client, 1) == ENODATA
        client.send("job-info.update-watch", {"id": id, "key": "jobspec", "flags": 0}, 7, flag)
        assert await_tag(client, 7).errnum == 0
        limited.cancel(id)
        assert await_errnum(client, 2) == ENODATA
        client.send("job-list.job-stats", {}, 8, flag)
        assert await_tag(client, 8).errnum == 0
    assert limited.refused() - before == {"streams": 3}


def await_tag(client: RawClient, tag: int) -> Answer:
    """The next response to a request; streams may say something before."""
    while (answer := client.receive()).tag != tag:
        pass
    return answer


def await_errnum(client: RawClient, tag: int) -> int:
    """How a stream ends."""
    while not (answer := await_tag(client, tag)).errnum:
        pass
    return answer.errnum


@pytest.mark.parametrize("way", EVERYWHERE)
def test_subscriptions(limited: Limited, way: str) -> None:
    """Different topics are counted, and one that is taken back makes room."""
    before = limited.refused()
    with closing(limited.client(way)) as client:
        for topic in ("a", "b", "a"):
            assert ask(client, "event.subscribe", {"topic": topic}) == (0, "")
        assert ask(client, "event.subscribe", {"topic": "c"}) == (
            errno.ENOSPC,
            "this client has 2 subscriptions: the limit of [events] subscriptions-per-peer",
        )
        assert ask(client, "event.unsubscribe", {"topic": "b"}) == (0, "")
        assert ask(client, "event.subscribe", {"topic": "c"}) == (0, "")
        with closing(limited.client(way)) as other:
            assert ask(other, "event.subscribe", {"topic": "d"}) == (0, "")
    assert limited.refused() - before == {"subscriptions": 1}


@pytest.mark.parametrize("way", EVERYWHERE)
def test_the_size_of_a_request(limited: Limited, way: str) -> None:
    """A little too much is told; far too much is not even read, and its client hung up on."""
    before = limited.refused()
    with closing(limited.client(way)) as other:
        with closing(limited.client(way)) as client:
            assert ask(client, "job-manager.ping", {"pad": "x" * 60_000}) == (0, "")
            assert ask(client, "job-manager.ping", {"pad": "x" * 70_000}) == (
                errno.EMSGSIZE,
                "a request may have 65536 bytes: the limit of [rpc] max-message-size",
            )
            assert ask(client, "job-manager.ping", {}) == (0, "")
            if isinstance(client, OverZmq):  # it connects again, unheard
                client.socket.setsockopt(zmq.RCVTIMEO, SOON)
            with pytest.raises((zmq.Again, ConnectionResetError, BrokenPipeError)):
                ask(client, "job-manager.ping", {"pad": "x" * 1_000_000})
        assert ask(other, "job-manager.ping", {}) == (0, "")
    assert limited.refused() - before == {"message_size": 1}


@pytest.mark.parametrize("way", ["ipc", "tcp"])
def test_bytes_that_a_client_does_not_read(limited: Limited, way: str) -> None:
    """Its answers give way to errors, which it reads with those that were kept for it."""
    before, pad, n = limited.refused(), "x" * 60_000, 200
    with closing(limited.reader(way)) as client:
        for tag in range(1, n + 1):
            client.send("job-manager.ping", {"pad": pad}, tag)
            if tag % 10 == 0:
                limited.daemon.rpc("job-manager.ping")  # others are served meanwhile
        answers = [client.receive() for _ in range(n)]
        (text,) = {answer.text for answer in answers if answer.errnum == errno.ENOBUFS}
        assert text.startswith("more than 102400 bytes of answers wait for this client")
        assert text.endswith("the limit of [rpc] queued-bytes-per-peer")
        assert [answer.tag for answer in answers] == list(range(1, n + 1)), "none is lost"
        lost = sum(answer.errnum == errno.ENOBUFS for answer in answers)
        assert 0 < lost < n
        assert limited.refused() - before == {"queued_bytes": lost}
        assert ask(client, "job-manager.ping", {"pad": pad}) == (0, "")


@pytest.mark.parametrize("way", ["tcp", "local"])
def test_active_jobs_are_counted_by_user(limited: Limited, way: str) -> None:
    """A user who has three gets no fourth, whichever way it comes; another user has its own."""
    if way == "local" and not may_act_as(MINE):
        pytest.skip("only root can be another user")
    before = limited.refused()
    text = "this user has 3 active jobs: the limit of [job-manager] active-jobs-per-user"
    with (
        closing(limited.client(way, "mine", MINE)) as mine,
        closing(limited.client(way, "other", OTHER)) as other,
        closing(limited.client("tcp", "mine")) as again,
    ):
        for client in (mine, mine, mine, other):
            assert ask(client, "job-ingest.submit", submission()) == (0, "")
        for client in (mine, again):
            assert ask(client, "job-ingest.submit", submission()) == (errno.EAGAIN, text)
        assert ask(other, "job-ingest.submit", submission()) == (0, "")
    assert limited.refused() - before == {"active_jobs": 2}
    for user in (MINE, OTHER):
        everything = {"type": "cancel", "severity": 0, "userid": user, "states": 127}
        limited.daemon.rpc("job-manager.raiseall", everything | {"dry_run": False})


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


def refused(daemon: DaemonProcess) -> dict[str, Any]:
    """How often each limit was met."""
    return dict(daemon.rpc("job-manager.stats-get")["refused"])


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


@pytest.mark.parametrize("way", EVERYWHERE)
def test_a_stream_that_was_refused_leaves_nothing_behind(limited: Limited, way: str) -> None:
    """Its matchtag is free, and so is its place."""
    before = limited.refused()
    with closing(limited.client(way)) as client:
        for tag in (1, 1, 1, 2):
            client.send("job-info.eventlog-watch", {"id": "?"}, tag, FLAG_STREAMING)
            assert client.receive().errnum == errno.EPROTO
        for tag in (1, 2):
            client.send("job-list.job-stats", {}, tag, FLAG_STREAMING)
            assert await_tag(client, tag).errnum == 0
    assert limited.refused() == before
