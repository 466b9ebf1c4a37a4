"""The unix stream socket of Flux's `local://` connector: flux's own tools come in here.

A client is told by a greeting byte whether it is let in (protocol/stream.py), is whoever the
kernel says it is (SO_PEERCRED), and then sends and receives messages as the ROUTER's peers do.

Theory: who waits for whom. What is written within one turn of the loop leaves in one system call.
A client that does not read has its requests left unread, once READ_AHEAD bytes wait for it, so
that it cannot have more made; one for which still more piles up (events, streams) is given up.
Neither waits for the other for ever in practice: READ_AHEAD is the answers to some hundred
thousand requests, which no flux command sends without reading.
"""

import asyncio
import errno
import os
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from struct import Struct
from typing import Any, Final, cast

import structlog

from jobmgrd.access import Access, lowered
from jobmgrd.call import Call, Empty, Gone, PeerGoneError, refusal
from jobmgrd.limits import Guard
from jobmgrd.publisher import Published
from jobmgrd.router import OWNER, Route
from protocol import stream
from protocol.errors import MessageError
from protocol.events import publication
from protocol.message import UNKNOWN, Cred, Event, Request, Response, decode
from protocol.payload import Format

log = structlog.get_logger()

BACKLOG: Final = 1024
CLIENTS_MAX: Final = 4096
"""Fewer if the process may not have so many files open: see `_room`."""
GUEST_SHARE: Final = 4
"""A guest may have one in so many of the connections that there may be."""
OWNER_SHARE: Final = 8
"""One in so many is left to the owner by all guests together."""
FILES_RESERVED: Final = 128
"""What the daemon itself needs of its files: more clients than leave these are turned away."""
OVERSIZE: Final = 2
"""A message of more than so many times the limit is not even read: its client is hung up on."""
READ_AHEAD: Final = 16 * 2**20
WAITING_MAX: Final = 64 * 2**20
STALL: Final = 30.0
"""Seconds that a client may take to end a message that it began."""
FLUSH: Final = 0.2
"""Seconds that clients have to take their last responses when the daemon stops, like LINGER."""

_UCRED: Final = Struct("=iII")


class LocalPeer(asyncio.Protocol):
    """One client of the socket."""

    format = Format.JSON

    def __init__(self, server: "UnixLocal") -> None:
        self._server = server
        self._splitter = stream.Splitter(OVERSIZE * server.max_message_size)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._out: list[bytes] = []
        self._reading = False
        self._waiting = 0  # bytes in `_out`
        self._sent = 0  # bytes that ever went to the transport
        self.requests = self.answers = 0  # messages of it, messages to it
        self.pid = self.userid = 0  # as the kernel says
        self.cred = UNKNOWN

    # --- the connection's life ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the client in, or tell it why not."""
        transport = cast("asyncio.Transport", transport)
        refusal = self._server.admit(self, transport.get_extra_info("socket"))
        if refusal:
            transport.write(bytes((refusal,)))
            transport.close()
            return
        transport.set_write_buffer_limits(high=READ_AHEAD)
        self._transport = transport
        transport.write(stream.GREETING)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Have everything that the client waits for released."""
        self._transport = None
        self._out.clear()
        self._settle()
        self._server.lose(self)

    def pause_writing(self) -> None:
        """The client does not read: leave its requests where they are."""
        self._settle()
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client reads again."""
        if self._transport is not None:
            self._transport.resume_reading()
            self._await_rest()

    # --- requests -------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Handle every request that is complete, and send what they were answered at once."""
        if self._transport is None:
            return  # turned away
        self._settle()
        self._reading = True
        try:
            for frames in self._splitter.feed(data):
                self._take(frames)
        except MessageError as error:
            self._server.malformed += 1
            log.warning("local.malformed", userid=self.cred.userid, reason=str(error))
            self.abort()
        finally:
            self._reading = False
        self._flush()
        self._await_rest()

    def _take(self, frames: list[bytes]) -> None:
        if self._transport is None:
            return
        self.requests += 1
        claim = stream.claimed(frames)
        cred = self.cred if claim == UNKNOWN else lowered(self.cred, claim)
        message = decode(stream.normal(frames), cred)
        if isinstance(message, Event):
            message = publication(message)
        if not isinstance(message, Request):
            log.info("local.ignored", userid=self.cred.userid, message=str(message))
        elif message.payload is not None and len(message.payload) > self._server.max_message_size:
            self._refuse(message)
        else:
            self._server.receive(message, self)

    def _refuse(self, request: Request) -> None:
        error = self._server.guard.refuse("message_size")
        if not request.noresponse:
            self.send(refusal(request, error))

    def _await_rest(self) -> None:
        """Give the client time to end a message; one that is left unread need not."""
        if self._splitter.partial and self._transport is not None and self._transport.is_reading():
            self._stall = self._loop.call_later(STALL, self._give_up)

    def _settle(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _give_up(self) -> None:
        log.warning("local.stalled", userid=self.cred.userid)
        self.abort()

    # --- responses and events -------------------------------------------------------------------

    def send(self, response: Response) -> None:
        """See Peer."""
        self._write(stream.encode(response.frames()))

    def send_tracked(self, response: Response) -> Gone:
        """See Peer."""
        self.send(response)
        mark = self._sent + self._waiting
        return lambda: self._transport is None or self._sent - self._buffered() >= mark

    def post(self, event: Published, format: Format) -> None:
        """See Peer."""
        self._write(event.framed(format))

    def _write(self, data: bytes) -> None:
        if self._transport is None:
            raise PeerGoneError("it has disconnected")
        if self._buffered() + self._waiting + len(data) > WAITING_MAX:
            self.abort()
            raise PeerGoneError(f"it has left {WAITING_MAX} bytes unread")
        if not self._out and not self._reading:
            self._loop.call_soon(self._flush)
        self.answers += 1
        self._out.append(data)
        self._waiting += len(data)

    def _flush(self) -> None:
        if self._out and self._transport is not None:
            data = b"".join(self._out)
            self._out.clear()
            self._waiting = 0
            self._sent += len(data)
            self._transport.write(data)

    def _buffered(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def stats(self) -> Mapping[str, int]:
        """Who it is, and what has passed, named as flux-core does: from the client's side."""
        return {
            "userid": self.cred.userid,
            "pid": self.pid,
            "txcount": self.requests,
            "rxcount": self.answers,
            "rxbacklog": self._buffered() + self._waiting,
        }

    def close(self) -> None:
        """Disconnect once everything is sent."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Disconnect at once."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None


class UnixLocal:
    """Listens at a path, and feeds `receive`.

    Args:
        path: of the socket; the directory is the caller's own, and nobody else uses this path.
        access: who may connect.
        receive: takes every request.
        lost: is told of every client that has gone.
        guard: has the size that a request may have, and counts who asks with more.
    """

    def __init__(
        self,
        path: Path,
        access: Access,
        receive: Callable[[Request, LocalPeer], None],
        lost: Callable[[LocalPeer], None],
        *,
        guard: Guard,
    ) -> None:
        self._path = path
        self._access = access
        self._lost = lost
        self._server: asyncio.Server | None = None
        self._clients: set[LocalPeer] = set()
        self._guests: Counter[int] = Counter()  # clients that are no owner's, by user
        self._emptied = asyncio.Event()
        self.receive = receive
        self.guard = guard
        self.max_message_size = guard.limits.message_size
        self.connects = self.malformed = self.refused = 0

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._clients)

    def routes(self) -> Iterable[Route]:
        """See Service: the connector's own topic, as the broker's connector-local module has it."""
        return [Route("connector-local.stats-get", Empty, self.stats, role=OWNER)]

    def stats(self, _call: Call, _request: Empty) -> Mapping[str, Any]:
        """The clients, and how many were there, were refused, or did not speak the protocol."""
        clients = [client.stats() for client in self._clients]
        return {
            "server": {"clients": clients, "connects": self.connects},
            "refused": self.refused,
            "malformed": self.malformed,
        }

    async def open(self) -> None:
        """Bind, and begin to listen.

        Raises:
            OSError: the path is too long, or cannot be bound.
        """
        self._path.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind(str(self._path))
            self._path.chmod(0o777)  # who may pass is decided by the directory, and by `access`
            self._server = await asyncio.get_running_loop().create_unix_server(
                lambda: LocalPeer(self), sock=sock, backlog=BACKLOG
            )
        except BaseException:
            sock.close()
            raise

    async def close(self) -> None:
        """Let nobody in, and give the clients a moment to take what was sent."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        self._path.unlink(missing_ok=True)
        for client in list(self._clients):
            client.close()
        if self._clients:
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH):
                    await self._emptied.wait()
        for client in list(self._clients):
            client.abort()

    def admit(self, client: LocalPeer, sock: socket.socket) -> int:
        """Let a client in as the user that the kernel says it is; the errno if it is not let in."""
        raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        pid, userid, _gid = _UCRED.unpack(raw)
        cred = self._access.admit(userid)
        refusal = errno.EPERM if cred is None else 0 if self._room(cred) else errno.EMFILE
        if cred is None or refusal:
            self.refused += 1
            log.warning("local.refused", userid=userid, pid=pid, reason=os.strerror(refusal))
            return refusal
        client.cred, client.pid, client.userid = cred, pid, userid
        self.connects += 1
        self._guests[cred.userid] += not cred.is_owner
        self._clients.add(client)
        return 0

    def lose(self, client: LocalPeer) -> None:
        """Forget a client whose connection has ended."""
        if client in self._clients:
            self._clients.discard(client)
            self._guests[client.cred.userid] -= not client.cred.is_owner
            self._guests += Counter()  # without those who have gone
            self._lost(client)
            if not self._clients:
                self._emptied.set()

    def look_again(self) -> None:
        """Let clients go that would not be let in now, or not as whom they were."""
        for client in list(self._clients):
            if self._access.admit(client.userid) != client.cred:
                log.info("local.revoked", userid=client.userid, pid=client.pid)
                client.abort()

    def _room(self, cred: Cred) -> bool:
        files = os.sysconf("SC_OPEN_MAX") - FILES_RESERVED
        room = CLIENTS_MAX if files < 0 else min(CLIENTS_MAX, files)
        if cred.is_owner:
            return len(self._clients) < room
        guests = self._guests.total() < room - room // OWNER_SHARE
        return guests and self._guests[cred.userid] < room // GUEST_SHARE
