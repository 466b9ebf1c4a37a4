"""RFC 3 messages: the bytes on the wire, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import message
from protocol.errors import MessageError
from protocol.message import ROUTE_MAX, TOPIC_MAX, Control, Cred, Event, Request, Response, decode

U32 = st.integers(0, 2**32 - 1)
TOPICS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1)
PAYLOADS = st.none() | st.binary()
CREDS = st.builds(Cred, U32, U32)
FLAGS = st.sets(
    st.sampled_from(
        [
            message.FLAG_NORESPONSE,
            message.FLAG_UPSTREAM,
            message.FLAG_PRIVATE,
            message.FLAG_STREAMING,
            message.FLAG_USER1,
        ]
    )
).map(sum)
ROUTES = st.lists(st.binary(min_size=1, max_size=8), max_size=message.MAX_ROUTES).map(tuple)

REQUEST = [
    b"",
    b"job-manager.purge\0",
    b"\x80",
    bytes.fromhex("8e 01 01 0b 000003e8 00000001 ffffffff 00000007"),
]


class TestBytes:
    """RFC 3: message framing and the 20-byte PROTO frame."""

    def test_request(self) -> None:
        """A request is delimiter, topic, payload and a header with nodeid and matchtag."""
        request = Request("job-manager.purge", b"\x80", Cred(1000, 1), matchtag=7)
        assert request.frames() == REQUEST
        assert decode(REQUEST) == request

    def test_request_that_streams_without_payload(self) -> None:
        """A message without payload has no payload frame, and its flags say so."""
        request = Request(
            "a.b", flags=message.FLAG_STREAMING, nodeid=3, routes=(b"\1\2", b"client")
        )
        assert request.frames() == [
            b"\1\2",
            b"client",
            b"",
            b"a.b\0",
            bytes.fromhex("8e 01 01 49 ffffffff 00000000 00000003 00000000"),
        ]

    def test_error_response(self) -> None:
        """An error response carries errnum and a text that ends in NUL."""
        response = Response(
            "a.b", b"no such job\0", errnum=2, cred=Cred(0, 1), matchtag=9, routes=(b"c",)
        )
        frames = [
            b"c",
            b"",
            b"a.b\0",
            b"no such job\0",
            bytes.fromhex("8e 01 02 0b 00000000 00000001 00000002 00000009"),
        ]
        assert response.frames() == frames
        assert decode(frames) == response
        assert response.error_text == "no such job"

    def test_event(self) -> None:
        """An event opens with its topic, for the subscriber's filter, and has a sequence."""
        event = Event("heartbeat.pulse", sequence=258, cred=Cred(1, 1))
        frames = [
            b"heartbeat.pulse\0",
            bytes.fromhex("8e 01 04 01 00000001 00000001 00000102 00000000"),
        ]
        assert event.frames() == frames
        assert decode(frames) == event

    def test_control(self) -> None:
        """A control message is a header alone, with type and status."""
        control = Control(2, 5, Cred(1, 1))
        frames = [bytes.fromhex("8e 01 08 00 00000001 00000001 00000002 00000005")]
        assert control.frames() == frames
        assert decode(frames) == control


class TestRoundTrip:
    """Whatever is written is read back."""

    @given(
        st.builds(Request, TOPICS, PAYLOADS, CREDS, U32, U32, FLAGS, ROUTES)
        | st.builds(Response, TOPICS, PAYLOADS, U32, CREDS, U32, FLAGS, ROUTES)
        | st.builds(Event, TOPICS, PAYLOADS, U32, CREDS, FLAGS)
        | st.builds(Control, U32, U32, CREDS, FLAGS)
    )
    def test_any_message(self, value: message.Message) -> None:
        """Every field of every kind of message survives the wire."""
        assert decode(value.frames()) == value

    @pytest.mark.parametrize("depth", [0, 1, 63, 64])
    def test_route_stack(self, depth: int) -> None:
        """A stack of up to 64 routes keeps its order."""
        request = Request("a", routes=tuple(b"%d" % hop for hop in range(depth)))
        assert decode(request.frames()) == request

    @pytest.mark.parametrize(
        ("flag", "streaming", "noresponse"),
        [
            (message.FLAG_STREAMING, True, False),
            (message.FLAG_NORESPONSE, False, True),
            (message.FLAG_USER1, False, False),
        ],
    )
    def test_flags_have_names(self, flag: int, streaming: bool, noresponse: bool) -> None:
        """A request tells by name whether it streams and whether it wants an answer."""
        request = decode(Request("a", flags=flag).frames())
        assert isinstance(request, Request)
        assert (request.streaming, request.noresponse) == (streaming, noresponse)


class TestAccepted:
    """What a peer may leave to us."""

    def test_topic_without_nul(self) -> None:
        """A topic that does not end in NUL is taken as it is."""
        assert decode([b"", b"job-manager.purge", *REQUEST[2:]]) == decode(REQUEST)

    def test_empty_payload(self) -> None:
        """An empty payload frame is a payload, unlike none."""
        request = decode([*REQUEST[:2], b"", REQUEST[3]])
        assert isinstance(request, Request)
        assert request.payload == b""

    def test_cred_of_the_transport_wins(self) -> None:
        """The credential in a header is overwritten by the one the transport knows."""
        assert decode(REQUEST, Cred(42, 2)).cred == Cred(42, 2)
        assert decode(REQUEST).cred.is_owner
        assert not decode(REQUEST, Cred(42, 2)).cred.is_owner

    def test_error_text_that_is_not_utf8(self) -> None:
        """An error text is always readable."""
        assert Response("a", b"\xff\0", errnum=1).error_text == "\N{REPLACEMENT CHARACTER}"


def _header(index: int, value: int) -> list[bytes]:
    header = bytearray(REQUEST[3])
    header[index] = value
    return [*REQUEST[:3], bytes(header)]


class TestRefused:
    """Frames that are no message."""

    @pytest.mark.parametrize(
        ("frames", "text"),
        [
            ([], "no frames"),
            ([*REQUEST[:3], REQUEST[3][:-1]], "19 bytes, expected 20"),
            ([*REQUEST[:3], REQUEST[3] + b"\0"], "21 bytes, expected 20"),
            ([*REQUEST[:3], b""], "0 bytes, expected 20"),
            (_header(0, 0x8F), "magic is 0x8f"),
            (_header(1, 2), "version is 2"),
            (_header(2, 0x10), "type is 0x10"),
            (_header(2, 0x03), "type is 0x03"),
            (REQUEST[1:], "delimiter is missing"),
            ([b"client", *REQUEST[1:]], "delimiter is missing"),
            ([*REQUEST[:2], REQUEST[3]], "has 3 frames, its flags say 4"),
            ([*REQUEST[:3], b"more", REQUEST[3]], "has 5 frames, its flags say 4"),
            (_header(3, 0x09), "has 4 frames, its flags say 3"),
            (_header(3, 0x0A), "has 4 frames, its flags say 3"),
            (_header(3, 0x03), "has 4 frames, its flags say 3"),
            ([*REQUEST[1:3], _header(3, 0x03)[3]], "lacks its route delimiter"),
            ([b"", b"\x80", _header(3, 0x0A)[3]], "or its topic"),
            ([b"", b"\xff\0", *REQUEST[2:]], "not UTF-8"),
            ([b"", b"\0", *REQUEST[2:]], "topic is empty"),
            ([b"", b"", *REQUEST[2:]], "topic is empty"),
            ([b"", b"x" * (TOPIC_MAX + 1), *REQUEST[2:]], "more than 4096 characters"),
            ([b"", b"a\0b\0", *REQUEST[2:]], "holds a NUL"),
            (_header(2, 0x04), "has a route delimiter"),
            (_header(2, 0x08), "more than a header"),
        ],
    )
    def test_malformed(self, frames: list[bytes], text: str) -> None:
        """Frames that break RFC 3 are refused with a text that says how."""
        with pytest.raises(MessageError, match=text):
            decode(frames)

    @pytest.mark.parametrize("depth", [65, 300])
    def test_too_many_routes(self, depth: int) -> None:
        """A message that went in circles is refused."""
        with pytest.raises(MessageError, match=f"{depth} routes, at most 64"):
            decode(Request("a", routes=(b"hop",) * depth).frames())

    def test_a_long_route(self) -> None:
        """It would go back with the response, uncounted."""
        with pytest.raises(MessageError, match="a route has 256 bytes, at most 255"):
            decode(Request("a", routes=(b"x" * (ROUTE_MAX + 1),)).frames())

    @given(st.lists(st.binary(max_size=24), max_size=5), st.binary(min_size=18, max_size=18))
    def test_arbitrary_frames(self, frames: list[bytes], rest: bytes) -> None:
        """Arbitrary bytes, with a plausible header or without, raise nothing but MessageError."""
        for last in ([], [b"\x8e\x01" + rest]):
            try:
                decode([*frames, *last])
            except MessageError:
                continue


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Request("a.b", b"xyz", matchtag=7), "> a.b [3 bytes] #7"),
        (Request("a.b", flags=message.FLAG_STREAMING), "> a.b #0 streaming"),
        (Response("a.b", b"", matchtag=7), "< a.b [0 bytes] #7"),
        (Response("a.b", b"no\0", errnum=2), "< a.b [3 bytes] #0 errnum=2 'no'"),
        (Event("a.b", sequence=3, flags=message.FLAG_PRIVATE), "* a.b seq=3 private"),
        (Control(1, 2), "! control type=1 status=2"),
    ],
)
def test_str_is_made_for_logs(value: message.Message, text: str) -> None:
    """A message prints as direction, topic, size and what is special about it."""
    assert str(value) == text
