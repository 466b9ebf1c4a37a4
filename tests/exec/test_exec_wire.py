"""Frames between daemon and supervisor: whole however they are cut, few, and of bounded size."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec import msgpack

from jobmgrd.exec import wire
from jobmgrd.exec.port import Failed, Finished, Output, Started
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
)
from tests.exec.recorder import attempt

TO_SUPERVISOR: list[FromDaemon] = [
    Hello(1, "ab", 7, 0.5, 1000),
    Start(attempt("sh", id=2**64 - 1, gpus=(1,), stderr="e", run_duration=None)),
    Signal(1, 9),
    Cancel(1),
    Acknowledge(2**40),
    Begin(),
    Shutdown(),
]
TO_DAEMON: list[FromSupervisor] = [
    Welcome(1, 42, "ab", 7, (1, 2), ()),
    Started(1),
    Output(1, 0, "stdout", b"\x00\xff", eof=False),
    Output(1, 0, "stdout", b"", eof=True),
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
    assert msgpack.decode(wire.encode(TO_SUPERVISOR[0]))[:2] == ["Hello", 1]
    assert msgpack.decode(wire.encode(TO_DAEMON[0]))[:3] == ["Welcome", 1, 42]


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
