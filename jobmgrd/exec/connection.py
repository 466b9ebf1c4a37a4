"""One end of the socket between daemon and supervisor: what a tick says goes as one frame."""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Final, Generic, TypeVar, cast

from msgspec import Struct, msgpack

from jobmgrd.exec import wire

M = TypeVar("M")

_UCRED: Final = struct.Struct("3i")  # pid, uid, gid (unix(7))


class Connection(asyncio.Protocol, Generic[M]):
    """A connection, made by the event loop.

    A frame that does not decode breaks it, as does what `received` raises.

    Args:
        decoder: of the peer's messages.
        received: called with each of them, in order.
        lost: called once, when the connection has ended for whatever reason.
    """

    _transport: asyncio.Transport

    def __init__(
        self,
        decoder: "msgpack.Decoder[list[M]]",
        received: "Callable[[Connection[M], M], None]",
        lost: "Callable[[Connection[M]], None]",
    ) -> None:
        self._decoder = decoder
        self._received = received
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._unframer = wire.Unframer()
        self._outgoing: list[bytes] = []
        self._ended = self._loop.create_future()

    @property
    def peer_uid(self) -> int:
        """The user that the peer runs as."""
        sock: socket.socket = self._transport.get_extra_info("socket")
        ucred = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        uid: int = _UCRED.unpack(ucred)[1]
        return uid

    def send(self, message: Struct) -> None:
        """Send a message with all others of this tick."""
        self.send_encoded(wire.encode(message))

    def send_encoded(self, message: bytes) -> None:
        """As `send`; the message is encoded already."""
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(message)

    def abort(self) -> None:
        """End the connection at once."""
        self._transport.abort()

    async def close(self) -> None:
        """Send what is to be sent, and end the connection. Idempotent."""
        self._flush()
        self._transport.close()
        await self._ended

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        for body in self._unframer.feed(data):
            for message in self._decoder.decode(body):
                self._received(self, message)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the reason is moot
        """See asyncio.Protocol."""
        self._ended.set_result(None)
        self._lost(self)

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        if not self._transport.is_closing():
            self._transport.writelines(list(wire.frames(outgoing)))
