"""What the daemon and its supervisor say to each other, as frames of tagged structs.

    frame: length of what follows (u32, big endian), a MessagePack array of messages

    daemon                                  supervisor
    Hello ────────────────────────────────>
          <──────────────────────────────── Welcome
    Start, Write, Signal, Cancel, Begin ──>
          <──────────────────────────────── events of the port (after Begin)
    Acknowledge, Shutdown ────────────────>

Events are numbered by their order, from 1, so they carry no number. They are told again to a
daemon that comes back without having acknowledged them.

N.B. Supervisors outlive upgrades. VERSION goes up with every change of a message, Attempt, the
events and what they hold included; Hello and Welcome keep their tag, and begin with the version,
for ever.
"""

from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from msgspec import Struct, msgpack

from jobmgrd.exec.port import Attempt, ExecEvent, Input

VERSION: Final = 2

FRAME_SIZE: Final = 1 << 18
"""A frame takes no further message once it has so many bytes; one message may be larger."""

_ARRAY32: Final = b"\xdd"
"""The MessagePack head of an array whose length follows as u32."""

_LENGTH: Final = 4


class _Message(Struct, frozen=True, tag=True, array_like=True):
    """Something that is said."""


class Hello(_Message, frozen=True):
    """The daemon's first words; an earlier daemon's connection ends."""

    version: int
    uuid: str  # of the supervisor whose events are durable ...
    number: int  # ... up to this one
    kill_timeout: float  # for attempts to come, as in LocalExecutor
    output_limit: int
    bind: bool = False


class Begin(_Message, frozen=True):
    """Tell the events that are not acknowledged, and those to come."""


class Start(_Message, frozen=True):
    """Begin an attempt."""

    attempt: Attempt


class Signal(_Message, frozen=True):
    """Send a signal to a job's processes."""

    id: int
    signum: int


class Write(_Message, frozen=True):
    """Write to the stdin of a job's tasks."""

    id: int
    input: Input


class Cancel(_Message, frozen=True):
    """End a job."""

    id: int


class Acknowledge(_Message, frozen=True):
    """Events up to this number are durable."""

    number: int


class Shutdown(_Message, frozen=True):
    """End when this connection does, if nothing runs and nothing is left to tell."""


class Welcome(_Message, frozen=True):
    """The supervisor's answer to Hello."""

    version: int
    pid: int
    uuid: str  # drawn at its start
    number: int  # of the last event acknowledged
    running: tuple[int, ...]
    ended: tuple[int, ...]  # their ends are among the events to be told


FromDaemon: TypeAlias = Hello | Begin | Start | Write | Signal | Cancel | Acknowledge | Shutdown
FromSupervisor: TypeAlias = Welcome | ExecEvent

encode: Final = msgpack.Encoder().encode


def frames(messages: Iterable[bytes]) -> Iterator[bytes]:
    """Put encoded messages into as few frames as their size allows."""
    gathered: list[bytes] = []
    size = 0
    for message in messages:
        gathered.append(message)
        size += len(message)
        if size >= FRAME_SIZE:
            yield _frame(gathered, size)
            gathered, size = [], 0
    if gathered:
        yield _frame(gathered, size)


def _frame(messages: list[bytes], size: int) -> bytes:
    head = _ARRAY32 + len(messages).to_bytes(4)
    return b"".join([(len(head) + size).to_bytes(_LENGTH), head, *messages])


class Unframer:
    """Cuts a stream of bytes into the bodies of its frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes as they come, and give the bodies that are complete."""
        self._buffer += data
        start = 0
        while (body := start + _LENGTH) <= len(self._buffer):
            end = body + int.from_bytes(self._buffer[start:body])
            if end > len(self._buffer):
                break
            yield bytes(self._buffer[body:end])
            start = end
        del self._buffer[:start]
