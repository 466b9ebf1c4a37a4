"""Frames between daemon and supervisor: whole however they are cut, few, and of bounded size."""

import math

from hypothesis import given
from hypothesis import strategies as st
from msgspec import msgpack

from jobmgrd.exec import wire
from jobmgrd.exec.port import Failed, Finished, Input, Output, Raised, Redirected, Started, Taken
from jobmgrd.exec.wire import (
    Acknowledge,
    Begin,
    Cancel,
    FromDaemon,
    FromSupervisor,
    Hello,
    Shutdown,
    Signal,
    Start,
    Unframer,
    Welcome,
    Write,
)
from protocol.jobspec import File
from tests.exec.recorder import attempt

TO_SUPERVISOR: list[FromDaemon] = [
    Hello(2, "ab", 7, 0.5, 1000, bind=True),
    Start(
        attempt(
            "sh", id=2**64 - 1, stderr="e", exit_timeout=math.inf, files={"a": File(0o600, b"\xff")}
        )
    ),
    Write(1, Input(b"\xff", eof=True, ranks=(0, 2))),
    Write(1, Input(b"x")),
    Signal(1, 9),
    Cancel(1),
    Acknowledge(2**40),
    Begin(),
    Shutdown(),
]
TO_DAEMON: list[FromSupervisor] = [
    Welcome(2, 42, "ab", 7, (1, 2), ()),
    Started(1),
    Output(1, 0, "stdout", b"\x00\xff", eof=False),
    Output(1, 0, "stdout", b"", eof=True),
    Redirected(1, "stdout", (0, 1), "a/b"),
    Taken(1),
    Raised(1, "why"),
    Finished(1, 256),
    Failed(2, "no"),
]


def test_messages_come_back_as_they_were() -> None:
    """Every message of both sides decodes to what was encoded."""
    for message in TO_SUPERVISOR:
        assert msgpack.Decoder(FromDaemon).decode(wire.encode(message)) == message
    for told in TO_DAEMON:
        assert msgpack.Decoder(FromSupervisor).decode(wire.encode(told)) == told


def test_hello_and_welcome_begin_with_their_tag_and_the_version() -> None:
    """So much a supervisor of another version can be relied on."""
    assert msgpack.decode(wire.encode(TO_SUPERVISOR[0]))[:2] == ["Hello", 2]
    assert msgpack.decode(wire.encode(TO_DAEMON[0]))[:3] == ["Welcome", 2, 42]


@given(st.lists(st.binary(max_size=40), max_size=20), st.data())
def test_frames_are_whole_however_they_are_cut(values: list[bytes], data: st.DataObject) -> None:
    """Whatever pieces the socket makes of them, the messages come back in order."""
    stream = b"".join(wire.frames([msgpack.encode(value) for value in values]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    unframer = Unframer()
    found: list[bytes] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        for body in unframer.feed(stream[start:end]):
            found += msgpack.decode(body)
    assert found == values


def test_a_tick_is_one_frame_up_to_a_size() -> None:
    """Small messages share a frame; large ones do not pile up in it."""
    assert len(list(wire.frames([b"\x01"] * 1000))) == 1
    large = msgpack.encode(bytes(wire.FRAME_SIZE // 2))
    assert len(list(wire.frames([large] * 6))) == 3
    assert not list(wire.frames([]))
