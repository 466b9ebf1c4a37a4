"""RFC 3, Message Framing and Security: messages on a unix stream socket, byte by byte."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import stream
from protocol.errors import MessageError
from protocol.message import FLAG_ROUTE, UNKNOWN, Cred, Event, Request, Response, decode

MAX = 1 << 20
MAGIC = bytes.fromhex("ffee0012") if struct.pack("=H", 1) == b"\0\1" else bytes.fromhex("1200eeff")

PING = (
    MAGIC + bytes.fromhex("0000002d")  # 45 bytes follow
    + b"\x00"  # the route delimiter: an empty part
    + b"\x0bbroker.ping"  # a part: its size, its data
    + b"\x0a" + b'{"seq":1}\0'
    + b"\x14" + bytes.fromhex("8e01010b ffffffff 00000000 ffffffff 00000007")
)  # fmt: skip


def split(data: bytes, max_size: int = MAX) -> list[list[bytes]]:
    """Every message of a stream that arrives at once."""
    return list(stream.Splitter(max_size).feed(data))


def test_a_message_is_magic_length_and_parts() -> None:
    """Length counts the parts alone, as flux-core has it; sizes below 255 take one byte."""
    (frames,) = split(PING)
    assert frames == [b"", b"broker.ping", b'{"seq":1}\0', PING[-20:]]
    assert stream.encode(frames) == PING


def test_a_part_of_255_bytes_or_more_has_a_long_size() -> None:
    """RFC 3: the short size is 255, the long one four bytes in network order."""
    short, long = b"s" * 254, b"l" * 255
    assert stream.encode([short]) == MAGIC + bytes.fromhex("000000ff fe") + short
    assert stream.encode([long]) == MAGIC + bytes.fromhex("00000104 ff 000000ff") + long
    assert split(stream.encode([short]) + stream.encode([long])) == [[short], [long]]


@given(st.lists(st.lists(st.binary(max_size=300), min_size=1, max_size=5), max_size=5), st.data())
def test_any_stream_is_split_as_it_was_framed_however_it_arrives(
    messages: list[list[bytes]], data: st.DataObject
) -> None:
    """Codec law: what comes out is what went in, wherever the stream is cut into reads."""
    sent = b"".join(map(stream.encode, messages))
    splitter, received = stream.Splitter(MAX), list[list[bytes]]()
    while sent:
        n = data.draw(st.integers(1, len(sent)))
        received += splitter.feed(sent[:n])
        sent = sent[n:]
    assert received == messages
    assert not splitter.partial


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param(b"GET / HT", "begins with 47455420", id="another protocol"),
        pytest.param(MAGIC[::-1] + b"\0\0\0\0", "begins with", id="the other byte order"),
        pytest.param(MAGIC + b"\xff\xff\xff\xff", "4294967295 bytes, at most", id="huge length"),
        pytest.param(MAGIC + b"\0\0\0\2\5a", "part exceeds its message", id="part too long"),
        pytest.param(MAGIC + b"\0\0\0\2\xff\0", "size of a part exceeds", id="size cut off"),
        pytest.param(
            MAGIC + b"\0\0\0\5\xff\xff\xff\xff\xff", "part exceeds its message", id="huge part"
        ),
    ],
)
def test_what_is_no_stream_of_messages_is_refused(data: bytes, text: str) -> None:
    """Whose fault it is, is said; the messages before it were handed out."""
    messages = stream.Splitter(MAX).feed(PING + data)
    assert next(messages)[1] == b"broker.ping"
    with pytest.raises(MessageError, match=text):
        next(messages)


def test_a_length_is_refused_before_its_bytes_arrive() -> None:
    """A peer cannot have memory set aside by a promise."""
    with pytest.raises(MessageError, match="at most 10 are"):
        split(PING[:8], max_size=10)


def test_the_first_hop_adds_the_route_delimiter() -> None:
    """flux-core's clients leave it out; a message that has one stays as it is."""
    bare = [b"topic", bytes.fromhex("8e010101 ffffffff 00000000 ffffffff 00000001")]
    request = decode(stream.normal(bare), Cred(5, 1))
    assert request == Request("topic", None, Cred(5, 1), matchtag=1)
    whole = Request("topic", b"{}", routes=(b"hop",)).frames()
    assert stream.normal(whole) == whole
    assert stream.normal([]) == []


def test_the_first_hop_drops_the_delimiter_of_an_event() -> None:
    """flux-core's clients send one with some events, against RFC 3."""
    event = Event("topic", b"{}").frames()
    flags = bytes((event[-1][3] | FLAG_ROUTE,))
    routed = [b"", *event[:-1], event[-1][:3] + flags + event[-1][4:]]
    assert stream.normal(routed) == stream.normal(event) == event


def test_what_a_header_claims() -> None:
    """RFC 12: credentials that are not valid are left to the server to assign."""
    assert stream.claimed(split(PING)[0]) == UNKNOWN
    assert stream.claimed(Response("t", cred=Cred(42, 2)).frames()) == Cred(42, 2)
    assert stream.claimed([b"short"]) == UNKNOWN
