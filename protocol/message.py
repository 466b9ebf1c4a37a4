"""RFC 3 messages <-> frames: requests, responses, events and control messages.

A message is a list of frames:

    [route ...] [delimiter] [topic NUL] [payload] header

The header is always last, 20 bytes, big endian:

    0x8E version type flags userid:u32 rolemask:u32 A:u32 B:u32

where A and B are nodeid and matchtag of a request, errnum and matchtag of a response,
sequence and 0 of an event, type and status of a control message. Which of the optional
frames are present is said by the flags; frames and flags that disagree are an error.
"""

from collections.abc import Sequence
from struct import Struct as Packer
from typing import Final, TypeAlias

from msgspec import Struct

from protocol.errors import MessageError

MAGIC: Final = 0x8E
VERSION: Final = 1

TYPE_REQUEST: Final = 0x01
TYPE_RESPONSE: Final = 0x02
TYPE_EVENT: Final = 0x04
TYPE_CONTROL: Final = 0x08

FLAG_TOPIC: Final = 0x01
FLAG_PAYLOAD: Final = 0x02
FLAG_NORESPONSE: Final = 0x04
FLAG_ROUTE: Final = 0x08
FLAG_UPSTREAM: Final = 0x10
FLAG_PRIVATE: Final = 0x20
FLAG_STREAMING: Final = 0x40
FLAG_USER1: Final = 0x80

USERID_UNKNOWN: Final = 0xFFFFFFFF
NODEID_ANY: Final = 0xFFFFFFFF
MATCHTAG_NONE: Final = 0

ROLE_OWNER: Final = 0x1
ROLE_USER: Final = 0x2
ROLE_LOCAL: Final = 0x4
ROLE_ADMIN: Final = 0x8

MAX_ROUTES: Final = 64
"""A request that passed more hops than this is a loop or an attack."""

ROUTE_MAX: Final = 255
"""Bytes of a route, as ZeroMQ has them at most: the response takes them back."""

_FRAME_FLAGS: Final = FLAG_TOPIC | FLAG_PAYLOAD | FLAG_ROUTE
_HEADER: Final = Packer(">BBBBIIII")
_pack: Final = _HEADER.pack

HEADER_SIZE: Final = _HEADER.size
TOPIC_MAX: Final = 4096
"""Characters of a topic: each response has its request's, and many may wait to be read."""


class Cred(Struct, frozen=True):
    """Who sent a message: set by the transport that authenticated the peer, never by the peer."""

    userid: int
    rolemask: int

    @property
    def is_owner(self) -> bool:
        """Whether the peer owns the instance (RFC 12)."""
        return bool(self.rolemask & ROLE_OWNER)


UNKNOWN: Final = Cred(USERID_UNKNOWN, 0)


class Request(Struct, frozen=True):
    """A request. `flags` holds NORESPONSE, UPSTREAM, STREAMING and USER1 only."""

    topic: str
    payload: bytes | None = None
    cred: Cred = UNKNOWN
    nodeid: int = NODEID_ANY
    matchtag: int = MATCHTAG_NONE
    flags: int = 0
    routes: tuple[bytes, ...] = ()

    @property
    def streaming(self) -> bool:
        """Whether the sender expects a stream of responses."""
        return bool(self.flags & FLAG_STREAMING)

    @property
    def noresponse(self) -> bool:
        """Whether the sender wants no response at all."""
        return bool(self.flags & FLAG_NORESPONSE)

    def frames(self) -> list[bytes]:
        """The request as frames, header last."""
        return [
            *self.routes,
            b"",
            *_body(self.topic, self.payload),
            _header(
                TYPE_REQUEST,
                self.flags | FLAG_ROUTE,
                self.topic,
                self.payload,
                self.cred,
                self.nodeid,
                self.matchtag,
            ),
        ]

    def __str__(self) -> str:
        return f"> {self.topic}{_shape(self.payload)} #{self.matchtag}{_flag_names(self.flags)}"


class Response(Struct, frozen=True):
    """A response; `errnum` != 0 makes `payload` a NUL-terminated text, if there is one."""

    topic: str
    payload: bytes | None = None
    errnum: int = 0
    cred: Cred = UNKNOWN
    matchtag: int = MATCHTAG_NONE
    flags: int = 0
    routes: tuple[bytes, ...] = ()

    @property
    def error_text(self) -> str:
        """The text of an error response; empty if it has none."""
        return (self.payload or b"").rstrip(b"\0").decode(errors="replace")

    def frames(self) -> list[bytes]:
        """The response as frames, header last."""
        return [
            *self.routes,
            b"",
            *_body(self.topic, self.payload),
            _header(
                TYPE_RESPONSE,
                self.flags | FLAG_ROUTE,
                self.topic,
                self.payload,
                self.cred,
                self.errnum,
                self.matchtag,
            ),
        ]

    def __str__(self) -> str:
        error = f" errnum={self.errnum} {self.error_text!r}" if self.errnum else ""
        return (
            f"< {self.topic}{_shape(self.payload)} #{self.matchtag}{error}{_flag_names(self.flags)}"
        )


class Event(Struct, frozen=True):
    """A published event; `sequence` grows by one with every event of an instance."""

    topic: str
    payload: bytes | None = None
    sequence: int = 0
    cred: Cred = UNKNOWN
    flags: int = 0

    def frames(self) -> list[bytes]:
        """The event as frames: topic first, for the SUB socket's filter, header last."""
        return [
            *_body(self.topic, self.payload),
            _header(TYPE_EVENT, self.flags, self.topic, self.payload, self.cred, self.sequence, 0),
        ]

    def __str__(self) -> str:
        return f"* {self.topic}{_shape(self.payload)} seq={self.sequence}{_flag_names(self.flags)}"


class Control(Struct, frozen=True):
    """A control message between direct peers; never routed."""

    type: int
    status: int = 0
    cred: Cred = UNKNOWN
    flags: int = 0

    def frames(self) -> list[bytes]:
        """The control message: a header alone."""
        return [_header(TYPE_CONTROL, self.flags, "", None, self.cred, self.type, self.status)]

    def __str__(self) -> str:
        return f"! control type={self.type} status={self.status}"


Message: TypeAlias = Request | Response | Event | Control


def decode(frames: Sequence[bytes], cred: Cred | None = None) -> Message:
    """Read one message from its frames.

    Args:
        frames: the parts in order, as a ROUTER, DEALER or SUB socket or a stream gives them.
        cred: who the transport knows the peer to be; overwrites what the header claims.

    Raises:
        MessageError: no header, a wrong magic, version or type, or frames that the flags deny.
    """
    type_, flags, userid, rolemask, a, b = _read_header(frames)
    if cred is None:
        cred = Cred(userid, rolemask)
    routes, topic, payload = _split(frames, flags)
    keep = flags & ~_FRAME_FLAGS
    if type_ == TYPE_REQUEST:
        if not (flags & FLAG_ROUTE and flags & FLAG_TOPIC):
            raise MessageError("request lacks its route delimiter or its topic")
        return Request(topic, payload, cred, a, b, keep, routes)
    if type_ == TYPE_RESPONSE:
        if not (flags & FLAG_ROUTE and flags & FLAG_TOPIC):
            raise MessageError("response lacks its route delimiter or its topic")
        return Response(topic, payload, a, cred, b, keep, routes)
    if type_ == TYPE_EVENT:
        if flags & FLAG_ROUTE or not flags & FLAG_TOPIC:
            raise MessageError("event lacks its topic or has a route delimiter")
        return Event(topic, payload, a, cred, keep)
    if type_ == TYPE_CONTROL:
        if flags & _FRAME_FLAGS:
            raise MessageError("control message has more than a header")
        return Control(a, b, cred, keep)
    raise MessageError(f"message type is 0x{type_:02x}, expected one of 0x01 0x02 0x04 0x08")


def _read_header(frames: Sequence[bytes]) -> tuple[int, int, int, int, int, int]:
    """Type, flags, userid, rolemask and the two words A and B of the last frame."""
    if not frames:
        raise MessageError("message has no frames")
    header = frames[-1]
    if len(header) != HEADER_SIZE:
        raise MessageError(f"header has {len(header)} bytes, expected {HEADER_SIZE}")
    magic, version, type_, flags, userid, rolemask, a, b = _HEADER.unpack(header)
    if magic != MAGIC:
        raise MessageError(f"header magic is 0x{magic:02x}, expected 0x{MAGIC:02x}")
    if version != VERSION:
        raise MessageError(f"header version is {version}, expected {VERSION}")
    return type_, flags, userid, rolemask, a, b


def _split(frames: Sequence[bytes], flags: int) -> tuple[tuple[bytes, ...], str, bytes | None]:
    """Give routes, topic and payload their frames, and refuse frames left over or missing."""
    start = 0
    routes: tuple[bytes, ...] = ()
    if flags & FLAG_ROUTE:
        while start < len(frames) - 1 and frames[start]:
            start += 1
        if start == len(frames) - 1:
            raise MessageError("route delimiter is missing")
        if start > MAX_ROUTES:
            raise MessageError(f"message has {start} routes, at most {MAX_ROUTES} are accepted")
        routes = tuple(frames[:start])
        if routes and (longest := max(map(len, routes))) > ROUTE_MAX:
            raise MessageError(f"a route has {longest} bytes, at most {ROUTE_MAX} are accepted")
        start += 1
    expected = start + bool(flags & FLAG_TOPIC) + bool(flags & FLAG_PAYLOAD) + 1
    if len(frames) != expected:
        raise MessageError(f"message has {len(frames)} frames, its flags say {expected}")
    topic = ""
    if flags & FLAG_TOPIC:
        frame = frames[start]
        start += 1
        try:
            topic = (frame[:-1] if frame.endswith(b"\0") else frame).decode()
        except UnicodeDecodeError as error:
            raise MessageError("topic is not UTF-8") from error
        if not topic or "\0" in topic or len(topic) > TOPIC_MAX:
            raise MessageError(f"topic is empty, holds a NUL or more than {TOPIC_MAX} characters")
    return routes, topic, frames[start] if flags & FLAG_PAYLOAD else None


def _body(topic: str, payload: bytes | None) -> list[bytes]:
    name = topic.encode() + b"\0"
    return [name] if payload is None else [name, payload]


def _header(
    type_: int, flags: int, topic: str, payload: bytes | None, cred: Cred, a: int, b: int
) -> bytes:
    if topic:
        flags |= FLAG_TOPIC
    if payload is not None:
        flags |= FLAG_PAYLOAD
    return _pack(MAGIC, VERSION, type_, flags, cred.userid, cred.rolemask, a, b)


def _shape(payload: bytes | None) -> str:
    return "" if payload is None else f" [{len(payload)} bytes]"


def _flag_names(flags: int) -> str:
    names = (
        (FLAG_NORESPONSE, "noresponse"),
        (FLAG_UPSTREAM, "upstream"),
        (FLAG_PRIVATE, "private"),
        (FLAG_STREAMING, "streaming"),
        (FLAG_USER1, "user1"),
    )
    return "".join(f" {name}" for flag, name in names if flags & flag)
