"""Peers over tcp:// that fail before they show a key, as ZeroMQ's socket monitor tells of them.

ZAP is asked only about keys. Who has another key for the server's, speaks no CURVE, no ZMTP 3 or
nothing at all never comes that far; ZeroMQ drops it, and says so in events (zmq_socket_monitor(3)):

    ACCEPTED fd    HANDSHAKE_SUCCEEDED, or FAILED_AUTH: ZAP has decided    DISCONNECTED fd
                   FAILED_PROTOCOL or FAILED_NO_DETAIL, with a reason      DISCONNECTED fd
                   nothing: it speaks no ZMTP 3                            DISCONNECTED fd

Theory: whose event it is. Only the first and the last name the connection. One that failed with a
reason is the next to be disconnected, by ZeroMQ's one thread. But a success names nobody, and
without it a client that says goodbye looks like garbage. So who has shown a key is read from the
kernel, when ZeroMQ tells that somebody did: whoever has sent more than a greeting and a HELLO. If
that connection is closed by then, one goodbye is forgiven instead: nobody who has shown a key is
accused, and in a storm some garbage is not counted.

The address is asked of the kernel, too; a peer that was dropped before this thread could ask has
none. The queue of events is unbounded, since ZeroMQ's thread would wait for room in it. It is read
as all sockets are.
"""

import errno
import os
from collections.abc import Callable, Mapping
from itertools import islice
from socket import AF_INET, IPPROTO_TCP, SOCK_STREAM, TCP_INFO, socket
from struct import Struct
from typing import Final, TypeVar

import zmq

from jobmgrd.drain import Drain

BEGUN: Final = 266
"""Bytes of ZMTP's greeting and CURVE's HELLO; after them comes INITIATE, which has the key."""
LOOKED_AT_MAX: Final = 64
"""How many of the newest connections are asked whether it was they who showed a key."""
UNKNOWN: Final = "unknown"

_EVENT: Final = Struct("=HI")
_RECEIVED: Final = Struct("=128xQ")  # tcpi_bytes_received in struct tcp_info, linux/tcp.h

_SHOWN: Final = frozenset({zmq.EVENT_HANDSHAKE_SUCCEEDED, zmq.EVENT_HANDSHAKE_FAILED_AUTH})
_EVENTS: Final = (
    zmq.EVENT_ACCEPTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_DISCONNECTED
)

NO_ZMTP: Final = "it does not speak ZMTP 3"
_PROTOCOL: Final[Mapping[int, str]] = {
    zmq.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC: "it has another key for this server's",
    zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH: "it asks for another mechanism than CURVE",
}
_NO_DETAIL: Final[Mapping[int, str]] = {
    errno.EAGAIN: "it took too long",
    errno.EPIPE: "it hung up",
    errno.ECONNRESET: "it hung up",
}

T = TypeVar("T")
Note = Callable[[str, str], None]
"""Is told the address of a peer that failed, and why."""


class Handshakes:
    """Watches the connections of one socket."""

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        watched: "zmq.Socket[bytes]",
        note: Note,
    ) -> None:
        self._watched = watched
        self._note = note
        self._addresses: dict[int, str] = {}  # by descriptor, of all connections
        self._young: dict[int, None] = {}  # those that have not shown a key, in order
        self._forgiven = 0
        self._reason = ""  # why the connection that is disconnected next has failed
        endpoint = f"inproc://handshakes-{id(self):x}"
        watched.monitor(endpoint, _EVENTS)
        self._events = context.socket(zmq.PAIR)
        self._events.setsockopt(zmq.LINGER, 0)
        self._events.setsockopt(zmq.RCVHWM, 0)
        self._events.connect(endpoint)
        self._drain = Drain(self._events, self._take)

    def open(self) -> None:
        """Begin to read the events."""
        self._drain.open()

    def close(self) -> None:
        """Look no more. The watched socket is closed after this."""
        if not self._events.closed:
            self._drain.close()
            self._watched.disable_monitor()
            self._events.close()

    def _take(self, frames: list[bytes]) -> None:
        event, value = _EVENT.unpack(frames[0])
        if event == zmq.EVENT_ACCEPTED:
            self._addresses[value] = _ask(value, _address) or UNKNOWN
            self._young[value] = None
        elif event in _SHOWN:
            self._key_shown()
        elif event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
            self._reason = _PROTOCOL.get(value, f"ZMTP protocol error 0x{value:x}")
        elif event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            self._reason = _NO_DETAIL.get(value) or os.strerror(value)
        elif event == zmq.EVENT_DISCONNECTED:
            self._disconnected(value)

    def _key_shown(self) -> None:
        newest = list(islice(reversed(self._young), LOOKED_AT_MAX))
        shown = [fd for fd in newest if (_ask(fd, _received) or 0) > BEGUN]
        for fd in shown:
            del self._young[fd]
        self._forgiven += not shown

    def _disconnected(self, fd: int) -> None:
        address = self._addresses.pop(fd, UNKNOWN)
        reason, self._reason = self._reason, ""
        young = fd in self._young
        self._young.pop(fd, None)
        if reason:
            self._note(address, reason)
        elif young and self._forgiven:
            self._forgiven -= 1
        elif young:
            self._note(address, NO_ZMTP)
        if not self._young:
            self._forgiven = 0


def _ask(fd: int, question: Callable[[socket], T]) -> T | None:
    """Ask of a connection of ZeroMQ's; None if it is closed, or its descriptor another's now."""
    try:
        borrowed = socket(AF_INET, SOCK_STREAM, 0, fd)
    except OSError:
        return None
    try:
        return question(borrowed)
    except OSError:
        return None
    finally:
        borrowed.detach()


def _address(connection: socket) -> str:
    name = connection.getpeername()
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else ""


def _received(connection: socket) -> int:
    info = connection.getsockopt(IPPROTO_TCP, TCP_INFO, _RECEIVED.size)
    (received,) = _RECEIVED.unpack(info)
    return int(received)
