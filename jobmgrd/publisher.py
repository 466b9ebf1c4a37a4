"""Events out: the one place that numbers them, and hands each to every way out.

An event is encoded at most once for each way: MessagePack frames for the PUB socket; JSON or
MessagePack for the peers that asked on their own connection, as they asked.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Protocol, TypeAlias

from msgspec import Struct

from protocol import payload, stream
from protocol.message import Cred, Event
from protocol.payload import Format

Content: TypeAlias = Struct | Mapping[str, object] | bytes | None
"""What an event says: a value, or a payload that its publisher has encoded."""


class Publish(Protocol):
    """Publishes an event, as the daemon if no other credentials are given; its sequence."""

    def __call__(
        self, topic: str, content: Content, cred: Cred | None = None, /, flags: int = 0
    ) -> int:
        """Never blocks."""


class Way(Protocol):
    """Carries events to those who listen."""

    def deliver(self, event: "Published") -> None:
        """Send it; never blocks, never raises."""


class Published:
    """An event with its number, to be encoded for whoever listens."""

    def __init__(self, topic: str, content: Content, sequence: int, cred: Cred, flags: int) -> None:
        self.topic = topic
        self.sequence = sequence
        self.cred = cred
        self.flags = flags
        self._content = content

    @cached_property
    def frames(self) -> list[bytes]:
        """The event for ZeroMQ: MessagePack, unless its publisher has encoded it."""
        return self._event(Format.MSGPACK).frames()

    def framed(self, format: Format) -> bytes:
        """The event for a stream: in a format, unless its publisher has encoded it."""
        return self._json if format is Format.JSON else self._msgpack

    @cached_property
    def _json(self) -> bytes:
        return stream.encode(self._event(Format.JSON).frames())

    @cached_property
    def _msgpack(self) -> bytes:
        return stream.encode(self.frames)

    def _event(self, format: Format) -> Event:
        content = self._content
        if isinstance(content, Struct | Mapping):
            content = payload.encode(content, format)
        return Event(self.topic, content, self.sequence, self.cred, self.flags)


class Publisher:
    """Numbers events and hands them on; `cred` is the daemon's own."""

    def __init__(self, cred: Cred) -> None:
        self._cred = cred
        self._ways: list[Way] = []
        self.sequence = 0

    def add(self, way: Way) -> None:
        """Have a way out carry the events from now on."""
        self._ways.append(way)

    def publish(
        self, topic: str, content: Content, cred: Cred | None = None, /, flags: int = 0
    ) -> int:
        """See Publish."""
        self.sequence += 1
        event = Published(topic, content, self.sequence & 0xFFFFFFFF, cred or self._cred, flags)
        for way in self._ways:
            way.deliver(event)
        return self.sequence
