"""RFC 3 messages on a unix stream socket, as Flux's local connector frames them.

    magic:u32 length:u32 part ...        part = size:u8 [size:u32 if that is 255] data

`length` counts the bytes of the parts, big endian like the sizes. N.B. flux-core departs from RFC
3 in two places, and a peer has to follow it: its length does not count magic and length, and its
magic is written in the order of the host's bytes (src/common/librouter/sendfd.c). Before the first
message, the server sends one byte: 0 lets the client in, anything else is the errno that refuses.
"""

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import Final

from protocol.errors import MessageError
from protocol.message import FLAG_ROUTE, HEADER_SIZE, TYPE_EVENT, TYPE_REQUEST, UNKNOWN, Cred

GREETING: Final = b"\0"
"""What a client that is let in reads first."""

MAGIC: Final = Struct("=I").pack(0xFFEE0012)
_SIZE: Final = Struct(">I")
_HEAD: Final = 8
_LONG: Final = 0xFF
_TYPE: Final = 2
_FLAGS: Final = 3
_CRED: Final = Struct(">4xII8x")


def encode(frames: Sequence[bytes]) -> bytes:
    """Frame a message for a stream."""
    out = [MAGIC, b""]
    length = 0
    for frame in frames:
        size = len(frame)
        head = bytes((size,)) if size < _LONG else b"\xff" + _SIZE.pack(size)
        out += (head, frame)
        length += len(head) + size
    out[1] = _SIZE.pack(length)
    return b"".join(out)


class Splitter:
    """Cuts a stream of bytes into the frames of its messages.

    Args:
        max_size: bytes that a message may have; what is larger is refused before it is read.
    """

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._pending = bytearray()
        self._needed = _HEAD

    @property
    def partial(self) -> bool:
        """Whether the stream has stopped within a message."""
        return bool(self._pending)

    @property
    def wanted(self) -> int:
        """How many bytes the message lacks that the stream has stopped in, as far as is known."""
        return self._needed - len(self._pending)

    def feed(self, data: bytes) -> Iterator[list[bytes]]:
        """Take bytes as they come, and give the messages that are complete.

        Raises:
            MessageError: the bytes are no stream of messages; it cannot be read any further.
        """
        if self._pending:
            self._pending += data  # kept as they come: a peer that drips costs no copies
            if len(self._pending) < self._needed:
                return
            data = bytes(self._pending)
        start, end = 0, len(data)
        self._needed = _HEAD
        while end - start >= _HEAD:
            size = self._size(data, start)
            if end - start < _HEAD + size:
                self._needed = _HEAD + size
                break
            start += _HEAD
            yield _parts(data, start, start + size)
            start += size
        self._pending = bytearray(data[start:])

    def _size(self, data: bytes, start: int) -> int:
        magic = data[start : start + 4]
        if magic != MAGIC:
            raise MessageError(f"message begins with {magic.hex()}, expected {MAGIC.hex()}")
        size: int = _SIZE.unpack_from(data, start + 4)[0]
        if size > self._max_size:
            raise MessageError(f"message has {size} bytes, at most {self._max_size} are accepted")
        return size


def _parts(data: bytes, start: int, end: int) -> list[bytes]:
    parts = []
    while start < end:
        size = data[start]
        start += 1
        if size == _LONG:
            if end - start < _SIZE.size:
                raise MessageError("size of a part exceeds its message")
            size = _SIZE.unpack_from(data, start)[0]
            start += _SIZE.size
        if size > end - start:
            raise MessageError("part exceeds its message")
        parts.append(data[start : start + size])
        start += size
    return parts


def claimed(frames: Sequence[bytes]) -> Cred:
    """The credentials in the header as the sender wrote them; UNKNOWN leaves them to the server."""
    header = frames[-1] if frames else b""
    return Cred(*_CRED.unpack(header)) if len(header) == HEADER_SIZE else UNKNOWN


def normal(frames: list[bytes]) -> list[bytes]:
    """The frames of a message as RFC 3 has them; flux-core's clients differ in the delimiter.

    A request's route delimiter may be left out, for the first hop to add, and an event may have
    one, which its publisher drops.
    """
    header = frames[-1] if frames else b""
    if len(header) != HEADER_SIZE:
        return frames
    type_, routed = header[_TYPE], header[_FLAGS] & FLAG_ROUTE
    if type_ == TYPE_REQUEST and not routed:
        return [b"", *frames[:-1], _flipped(header)]
    if type_ == TYPE_EVENT and routed and not frames[0]:
        return [*frames[1:-1], _flipped(header)]
    return frames


def _flipped(header: bytes) -> bytes:
    flags = bytes((header[_FLAGS] ^ FLAG_ROUTE,))
    return header[:_FLAGS] + flags + header[_FLAGS + 1 :]
