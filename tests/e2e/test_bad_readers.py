"""Readers that ask for too much, for what is not there, or do not read: the daemon stays quick."""

import errno
import time
from typing import Any

import pytest
import zmq

from jobmgrd.client import Client
from protocol.errors import RpcError
from protocol.message import FLAG_STREAMING, Request, Response, decode
from protocol.payload import decode as decode_payload
from protocol.payload import encode
from tests.conftest import DaemonProcess
from tests.e2e.jobs import run_jobs, simulated, submit, wait_for

WATCHERS = 500
TERMS = 100_000
NEVER_SEEN = 12345


@pytest.mark.parametrize(
    ("constraint", "text"),
    [
        ({"or": [{"userid": [1]}] * (TERMS // 2)}, "constraint has more than 4096 values (at or)"),
        ({"or": [{"or": []}] * 300}, "constraint has more than 256 operators (at or[255].or)"),
        ({"userid": [1] * TERMS}, "constraint has more than 4096 values (at userid)"),
        ([], "constraint must be JSON object"),
        ("userid", "constraint must be JSON object"),
        ({"userid": {"a": 1}}, "operator userid values not an array (at userid)"),
        ({"states": [None]}, "states value invalid type (at states[0])"),
        ({"t_run": [">1", ">2"]}, "more than one timestamp value specified (at t_run)"),
    ],
)
def test_a_constraint_that_is_no_constraint_is_refused_by_its_place(
    shared_daemon: DaemonProcess,
    constraint: Any,  # noqa: ANN401 - any value
    text: str,
) -> None:
    """However large; and at once."""
    begin = time.monotonic()
    with pytest.raises(RpcError) as error:
        shared_daemon.rpc("job-list.list", {"constraint": constraint})
    assert error.value.errnum == errno.EPROTO
    assert text in error.value.text
    assert time.monotonic() - begin < 5


def test_watches_tell_the_never_seen_from_the_purged(shared_daemon: DaemonProcess) -> None:
    """Both are refused at once, also by who would wait for an eventlog to come."""
    (gone,) = run_jobs(shared_daemon, 1)
    shared_daemon.rpc("job-manager.purge-id", {"id": gone, "force": True})
    for id, is_purged in ((NEVER_SEEN, False), (gone, True)):
        for topic, keys in (
            ("job-info.eventlog-watch", {"path": "eventlog", "flags": 0}),
            ("job-info.eventlog-watch", {"path": "guest.output", "flags": 1}),
            ("job-info.update-watch", {"key": "R", "flags": 0}),
        ):
            with shared_daemon.client() as client, pytest.raises(RpcError) as error:
                list(client.stream(topic, {"id": id, **keys}))
            assert error.value.errnum == errno.ENOENT
            assert ("purged" in error.value.text) is is_purged


def test_cancelling_a_stream_that_is_gone_harms_nobody(shared_daemon: DaemonProcess) -> None:
    """Nor does one that never was, or is another topic's."""
    (job,) = submit(shared_daemon, simulated("1h"))
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with context, context.socket(zmq.DEALER) as dealer:
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.setsockopt(zmq.RCVTIMEO, 20_000)
        dealer.connect(f"ipc://{shared_daemon.uri}/rpc")
        ask(dealer, "job-info.eventlog-watch", {"id": job, "path": "guest.output", "flags": 1}, 7)
        ask(dealer, "job-info.update-watch-cancel", {"matchtag": 7}, 8)
        ask(dealer, "job-info.eventlog-watch-cancel", {"matchtag": 99}, 9)
        assert [answer(dealer) for _ in range(2)] == [(8, 0), (9, 0)]
        ask(dealer, "job-info.eventlog-watch-cancel", {"matchtag": 7}, 10)
        assert {answer(dealer) for _ in range(2)} == {(7, 61), (10, 0)}
        ask(dealer, "job-info.eventlog-watch-cancel", {"matchtag": 7}, 11)
        assert answer(dealer) == (11, 0)
    shared_daemon.rpc("job-manager.raise", {"id": job, "type": "cancel", "severity": 0})


def ask(dealer: "zmq.Socket[bytes]", topic: str, value: dict[str, object], matchtag: int) -> None:
    """Send a request; a stream if it is a watch."""
    flags = 0 if topic.endswith("-cancel") else FLAG_STREAMING
    request = Request(topic, encode(value), matchtag=matchtag, flags=flags)
    dealer.send_multipart(request.frames())


def answer(dealer: "zmq.Socket[bytes]") -> tuple[int, int]:
    """The matchtag and errnum of the next response."""
    response = decode(dealer.recv_multipart())
    assert isinstance(response, Response)
    return response.matchtag, response.errnum


async def test_five_hundred_watchers_of_one_job_all_see_its_end(
    shared_daemon: DaemonProcess,
) -> None:
    """While others are served, and whoever leaves early is forgotten."""
    (job,) = submit(shared_daemon, simulated(None))
    wait_for(shared_daemon, job, "start")
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.set(zmq.MAX_SOCKETS, WATCHERS + 16)
    dealers = [context.socket(zmq.DEALER) for _ in range(WATCHERS)]
    for dealer in dealers:
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.setsockopt(zmq.RCVTIMEO, 20_000)
        dealer.connect(f"ipc://{shared_daemon.uri}/rpc")
        ask(dealer, "job-info.eventlog-watch", {"id": job, "path": "eventlog"}, 1)
    for dealer in dealers:
        dealer.recv_multipart()
    for dealer in dealers[:100]:
        dealer.close()
    async with Client(shared_daemon.uri, timeout=5) as client:
        await client.rpc("job-manager.raise", {"id": job, "type": "cancel", "severity": 0})
        await client.rpc("job-manager.stats-get")
    for dealer in dealers[100:]:
        seen = b""
        while (response := decode(dealer.recv_multipart())).errnum == 0:  # type: ignore[union-attr]
            assert isinstance(response, Response)
            seen += decode_payload(response.payload)["event"].encode()
        assert isinstance(response, Response)
        assert response.errnum == 61
        assert b'"clean"' in seen
        dealer.close()
    context.term()
