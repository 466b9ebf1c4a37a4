"""Multipart messages on raw ZeroMQ sockets, never blocking.

pyzmq's own send_multipart and recv_multipart check types, combine enums and ask for socket options
at every frame. Measured for four frames: sent in 3 us instead of 10, received in 4 instead of 9.
"""

from collections.abc import Sequence
from typing import Any, Final, cast

import zmq

_NOBLOCK: Final = int(zmq.NOBLOCK)
_MORE: Final = int(zmq.NOBLOCK) | int(zmq.SNDMORE)


def send(socket: "zmq.Socket[bytes]", frames: Sequence[bytes]) -> None:
    """Send a message whole.

    Raises:
        zmq.Again: the queue is full; nothing was sent.
        zmq.ZMQError: the peer is unknown (EHOSTUNREACH), or the socket is closed.
    """
    send_frame = socket.send
    for frame in frames[:-1]:
        send_frame(frame, _MORE)
    send_frame(frames[-1], _NOBLOCK)


def send_tracked(socket: "zmq.Socket[bytes]", frames: Sequence[bytes]) -> zmq.MessageTracker:
    """Send a message whole, its longest frame without a copy: the tracker tells when it has gone.

    Raises:
        zmq.Again, zmq.ZMQError: as `send` does.
    """
    longest = max(range(len(frames)), key=lambda n: len(frames[n]))
    tracked: Any = zmq.Frame(frames[longest], track=True, copy=False, copy_threshold=0)
    for n, frame in enumerate(frames):
        flags = _NOBLOCK if n == len(frames) - 1 else _MORE
        if n == longest:
            socket.send(tracked, flags, copy=False)
        else:
            socket.send(frame, flags)
    return cast("zmq.MessageTracker", tracked.tracker)


def receive(socket: "zmq.Socket[bytes]") -> list[bytes]:
    """The next message.

    Raises:
        zmq.Again: there is none now.
    """
    receive_frame = socket.recv
    frames = []
    while True:
        frame = receive_frame(_NOBLOCK, copy=False)  # knows `more`; asking the socket costs 1.3 us
        frames.append(frame.bytes)
        if not frame.more:
            return frames


def receive_known(socket: "zmq.Socket[bytes]") -> list[bytes]:
    """The next message, after a frame that says who the connection's User-Id is (RFC 27).

    Raises:
        zmq.Again: there is none now.
    """
    first = socket.recv(_NOBLOCK, copy=False)
    frames = [str(first.get("User-Id")).encode(), first.bytes]
    more = first.more
    while more:
        frame = socket.recv(_NOBLOCK, copy=False)
        frames.append(frame.bytes)
        more = frame.more
    return frames
