"""Bad input on the wire: the daemon answers or drops the message, and goes on serving others."""

import errno
import struct
from collections.abc import Iterator

import msgpack
import pytest
import zmq

from protocol.errors import RpcError
from protocol.events import HEARTBEAT, JOB_STATE, PURGE, READY
from protocol.message import FLAG_NORESPONSE, FLAG_STREAMING, Event, Request, Response, decode
from protocol.payload import decode as decode_payload
from protocol.payload import encode
from tests.conftest import DaemonProcess

TIMEOUT_MS = 10_000


class RawPeer:
    """A DEALER without any library: frames out, frames in."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self.socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RCVTIMEO, TIMEOUT_MS)
        self.socket.connect(f"ipc://{daemon.rundir}/rpc")

    def send(self, frames: list[bytes]) -> None:
        """Send frames as they are."""
        self.socket.send_multipart(frames)

    def ask(self, topic: str, payload: bytes | None = None, flags: int = 0) -> Response:
        """Send a request and receive its response."""
        self.send(Request(topic, payload, matchtag=7, flags=flags).frames())
        return self.receive()

    def receive(self) -> Response:
        """The next response."""
        message = decode(self.socket.recv_multipart())
        assert isinstance(message, Response)
        return message

    def is_served(self) -> bool:
        """Whether the daemon still answers this peer, and nothing else was sent to it."""
        response = self.ask("job-manager.ping", encode({"seq": 1}))
        return response.errnum == 0 and decode_payload(response.payload)["seq"] == 1


@pytest.fixture
def peer(shared_daemon: DaemonProcess) -> Iterator[RawPeer]:
    """A raw peer of a running daemon."""
    raw = RawPeer(shared_daemon)
    yield raw
    raw.socket.close()


GOOD = Request("job-manager.getinfo", None, matchtag=1).frames()
HEADER = GOOD[-1]


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([b""], id="empty frame"),
        pytest.param([*GOOD[:-1], HEADER[:19]], id="truncated header"),
        pytest.param([*GOOD[:-1], HEADER + b"\0"], id="oversized header"),
        pytest.param([*GOOD[:-1], b"\x8f" + HEADER[1:]], id="wrong magic"),
        pytest.param([*GOOD[:-1], HEADER[:1] + b"\x02" + HEADER[2:]], id="wrong version"),
        pytest.param([*GOOD[:-1], HEADER[:2] + b"\x10" + HEADER[3:]], id="wrong type"),
        pytest.param(GOOD[1:], id="no delimiter"),
        pytest.param([b"route"] * 300 + GOOD, id="300 routes"),
        pytest.param([b"", b"\xff\xfe\0", HEADER], id="topic is not UTF-8"),
        pytest.param([b"", b"topic\0", b"payload without its flag", HEADER], id="frame too many"),
        pytest.param([HEADER], id="header alone"),
        pytest.param([b"", b"\0", HEADER], id="empty topic"),
    ],
)
def test_what_is_no_message_is_dropped(peer: RawPeer, frames: list[bytes]) -> None:
    """RFC 3: frames that are no request get no answer, and do no harm."""
    peer.send(frames)
    assert peer.is_served()


def test_a_huge_message_loses_its_connection_only(
    peer: RawPeer, shared_daemon: DaemonProcess
) -> None:
    """Messages over max-message-size drop the sender's connection; others are served."""
    other = RawPeer(shared_daemon)
    other.send(Request("job-manager.getinfo", b"x" * (5 << 20), matchtag=1).frames())
    assert peer.is_served()
    other.socket.close()


DEEP = b"\x81\xa1a" + b"\x91" * 10_000 + b"\xc0"


@pytest.mark.parametrize(
    ("payload", "names"),
    [
        pytest.param(b"\xc1", "", id="not msgpack"),
        pytest.param(msgpack.packb([1, 2]), "array", id="not a map"),
        pytest.param(msgpack.packb({"id": float("nan"), "attrs": []}), "", id="NaN"),
        pytest.param(msgpack.packb({"id": msgpack.ExtType(4, b"x"), "attrs": []}), "", id="ext"),
        pytest.param(b"\x82\xa2id\x01\xa2id\x02", "id", id="duplicate keys"),
        pytest.param(DEEP, "", id="10,000 levels"),
        pytest.param(b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}\0", "", id="10,000 in JSON"),
        pytest.param(b'{"id": 1, "attrs": []} trailing', "", id="JSON with trailing text"),
        pytest.param(b'{"id": 1, "id": 2, "attrs": []}', "id", id="duplicate keys in JSON"),
        pytest.param(msgpack.packb({"attrs": []}), "id", id="missing key"),
        pytest.param(msgpack.packb({"id": "1", "attrs": []}), "id", id="wrong type"),
        pytest.param(None, "id", id="no payload"),
        pytest.param(msgpack.packb({1: 2}), "", id="key is not a string"),
    ],
)
def test_a_bad_payload_is_EPROTO_and_says_what_is_wrong(  # noqa: N802 - the errno's name
    peer: RawPeer, payload: bytes | None, names: str
) -> None:
    """Design 3: a payload that does not decode or misses a key is EPROTO; the text names it."""
    response = peer.ask("job-manager.getattr", payload)
    assert response.errnum == errno.EPROTO
    assert response.error_text
    assert names in response.error_text
    assert peer.is_served()


@pytest.mark.parametrize("topic", ["job-manager.nosuch", "nosuch.method", "x"])
def test_an_unknown_topic_is_ENOSYS_and_named(peer: RawPeer, topic: str) -> None:  # noqa: N802
    """RFC 3: function not implemented."""
    response = peer.ask(topic)
    assert response.errnum == errno.ENOSYS
    assert topic in response.error_text


def test_json_is_answered_in_json(peer: RawPeer) -> None:
    """The format of a response is that of its request, NUL or not."""
    for end in (b"", b"\0"):
        response = peer.ask("job-manager.ping", b'{"seq":3}' + end)
        assert response.payload is not None
        assert response.payload.startswith(b"{")
        assert response.payload.endswith(b"}\0")
        assert decode_payload(response.payload)["seq"] == 3


def test_a_topic_without_NUL_is_accepted(peer: RawPeer) -> None:  # noqa: N802
    """Design 3."""
    frames = Request("job-manager.getinfo", None, matchtag=5).frames()
    peer.send([frames[0], frames[1].rstrip(b"\0"), frames[2]])
    assert peer.receive().matchtag == 5


def test_the_header_of_a_response(peer: RawPeer) -> None:
    """RFC 3: topic, matchtag and routes come back; the userid is the authenticated one."""
    peer.send([b"hop", *Request("job-manager.getinfo", None, matchtag=9).frames()])
    response = peer.receive()
    assert (response.topic, response.matchtag) == ("job-manager.getinfo", 9)
    assert response.routes == (b"hop",)


def test_a_forged_userid_is_not_believed(peer: RawPeer) -> None:
    """The transport overwrites userid and rolemask."""
    frames = Request("job-manager.ping", encode({}), matchtag=1).frames()
    header = bytearray(frames[-1])
    struct.pack_into(">II", header, 4, 12345, 0x2)
    peer.send([*frames[:-1], bytes(header)])
    reply = decode_payload(peer.receive().payload)
    assert reply["userid"] != 12345
    assert reply["rolemask"] & 1


def test_NORESPONSE_is_honoured(peer: RawPeer) -> None:  # noqa: N802
    """RFC 3: neither an answer nor an error."""
    for topic in ("job-manager.getinfo", "no.such", "job-manager.getattr"):
        peer.send(Request(topic, None, flags=FLAG_NORESPONSE, matchtag=1).frames())
    assert peer.is_served()


def test_streaming_must_be_asked_for_where_it_is_served(peer: RawPeer) -> None:
    """Design 3: a streaming topic without the flag is EPROTO, and the other way round."""
    plain = peer.ask("job-manager.events-journal", encode({}))
    assert plain.errnum == errno.EPROTO
    assert "streaming" in plain.error_text
    streaming = peer.ask("job-manager.getinfo", encode({}), flags=FLAG_STREAMING)
    assert streaming.errnum == errno.EPROTO
    assert "streaming" in streaming.error_text


def test_a_stream_ends_with_ENODATA_when_cancelled(peer: RawPeer) -> None:  # noqa: N802
    """Design 3: streams end with errnum 61."""
    first = peer.ask("job-manager.events-journal", encode({}), flags=FLAG_STREAMING)
    assert decode_payload(first.payload)["id"] == -1
    cancel = encode({"matchtag": 7})
    peer.send(Request("job-manager.events-journal-cancel", cancel, flags=FLAG_NORESPONSE).frames())
    end = peer.receive()
    assert (end.errnum, end.matchtag) == (errno.ENODATA, 7)


def test_a_client_that_sends_and_vanishes_leaves_nothing(shared_daemon: DaemonProcess) -> None:
    """Its streams are released, at the latest when the daemon next has something for it."""
    for _ in range(20):
        raw = RawPeer(shared_daemon)
        raw.ask("job-manager.events-journal", encode({}), flags=FLAG_STREAMING)
        raw.send(Request("disconnect", None, flags=FLAG_NORESPONSE).frames())
        raw.send(Request("job-manager.getinfo", None, matchtag=1).frames())
        raw.receive()
        raw.socket.close()
    stats = shared_daemon.rpc("job-manager.stats-get")
    assert stats["journal"]["listeners"] == 0


def test_events_come_to_a_DEALER_that_subscribed(peer: RawPeer) -> None:  # noqa: N802
    """event.subscribe is the same for every transport; the PUB socket needs none."""
    assert peer.ask("event.subscribe", encode({"topic": "wire."})).errnum == 0
    publish = encode({"topic": "wire.a", "payload": "e30="})
    peer.send(Request("event.publish", publish, matchtag=8).frames())
    event = decode(peer.socket.recv_multipart())
    assert isinstance(event, Event)
    assert (event.topic, event.payload) == ("wire.a", b"{}")
    assert decode_payload(peer.receive().payload)["seq"] == event.sequence


@pytest.mark.parametrize("topic", [HEARTBEAT, PURGE, JOB_STATE, READY, f"{READY}token"])
def test_the_daemons_own_topics_are_not_for_clients(
    shared_daemon: DaemonProcess, topic: str
) -> None:
    """A forged purge, or a forged promise that a subscription is in effect, is EPERM."""
    with shared_daemon.client() as client, pytest.raises(RpcError) as caught:
        client.rpc("event.publish", {"topic": topic})
    assert caught.value.errnum == errno.EPERM
    assert str(caught.value).endswith(f"{topic} is published by jobmgrd alone")


def test_a_subscriber_that_never_reads_harms_nobody(shared_daemon: DaemonProcess) -> None:
    """PUB drops for it alone; publishing goes on."""
    deaf: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
    deaf.setsockopt(zmq.RCVHWM, 1)
    deaf.setsockopt(zmq.SUBSCRIBE, b"")
    deaf.connect(f"ipc://{shared_daemon.rundir}/events")
    with shared_daemon.client() as client:
        first = client.rpc("event.publish", {"topic": "noise", "payload": "e30="})["seq"]
        for _ in range(2000):
            seq = client.rpc("event.publish", {"topic": "noise", "payload": "e30="})["seq"]
        assert seq >= first + 2000
    deaf.close()
