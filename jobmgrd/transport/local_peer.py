"""One client of the local connector's socket: its requests in, responses and events out.

Theory: who waits for whom. Of each client a little is read in one turn of the loop, so that one who
has sent much holds up no other, and has its first answers while the rest are worked on. What is
written within one turn leaves in one system call.
A client that does not read has its requests left unread, once READ_AHEAD bytes wait for it, so
that it cannot have more made; one for which still more piles up (events, streams) is given up.
Neither waits for the other for ever in practice: READ_AHEAD is the answers to some hundred
thousand requests, which no flux command sends without reading.
"""

import asyncio
import socket
from collections.abc import Iterator, Mapping
from time import monotonic
from typing import Final, Protocol, cast

import structlog

from jobmgrd.access import lowered
from jobmgrd.call import Gone, PeerGoneError, refusal
from jobmgrd.limits import Guard
from jobmgrd.publisher import Published
from jobmgrd.turns import TICK, Turns
from protocol import stream
from protocol.errors import MessageError
from protocol.events import publication
from protocol.message import UNKNOWN, Event, Request, Response, decode
from protocol.payload import Format

log = structlog.get_logger()

OVERSIZE: Final = 2
"""A message of more than so many times the limit is not even read: its client is hung up on."""
READ: Final = 16384
"""Bytes that are taken of a client in one turn of the loop; some 160 small requests."""
READ_MAX: Final = 256 * 1024
"""The same, of a message that is larger than READ."""
READ_AHEAD: Final = 16 * 2**20
WAITING_MAX: Final = 64 * 2**20
SLICE: Final = 0.001
"""Seconds for which one client's requests are handled before it is the turn of others."""
STALL: Final = 30.0
"""Seconds that a client may take to end a message that it began."""

_incoming: Final = memoryview(bytearray(READ_MAX))
"""For all clients: what is read into it is taken out before the next one is read."""


class Server(Protocol):
    """What a client needs of the socket that it came in by."""

    guard: Guard
    turns: Turns
    max_message_size: int
    malformed: int

    def admit(self, client: "LocalPeer", sock: socket.socket) -> int:
        """Let a client in; the errno if it is not let in."""

    def receive(self, request: Request, peer: "LocalPeer") -> None:
        """Take a request."""

    def lose(self, client: "LocalPeer") -> None:
        """Forget a client whose connection has ended."""


class LocalPeer(asyncio.BufferedProtocol):
    """One client of the socket."""

    format = Format.JSON

    def __init__(self, server: Server) -> None:
        self._server = server
        self.sender = object()  # outlives it in jobmgrd.turns
        self._splitter = stream.Splitter(OVERSIZE * server.max_message_size)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._out: list[bytes] = []
        self._messages: Iterator[list[bytes]] | None = None  # that are not handled yet
        self._behind = False  # they were left for later
        self._choked = False  # more than READ_AHEAD waits to be written
        self._reading = False
        self._waiting = 0  # bytes in `_out`
        self._sent = 0  # bytes that ever went to the transport
        self.requests = self.answers = 0  # messages of it, messages to it
        self.pid = self.userid = 0  # as the kernel says
        self.cred = UNKNOWN
        self.waiting_max = WAITING_MAX

    # --- the connection's life ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the client in, or tell it why not."""
        transport = cast("asyncio.Transport", transport)
        refusal = self._server.admit(self, transport.get_extra_info("socket"))
        if refusal:
            transport.write(bytes((refusal,)))
            transport.close()
            return
        transport.set_write_buffer_limits(high=min(READ_AHEAD, self.waiting_max))
        self._transport = transport
        transport.write(stream.GREETING)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Have everything that the client waits for released."""
        self._transport = self._messages = None
        self._out.clear()
        self._settle()
        self._server.lose(self)

    def pause_writing(self) -> None:
        """The client does not read: leave its requests where they are."""
        self._settle()
        self._choked = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._choked = False
        self._read_on()

    # --- requests -------------------------------------------------------------------------------

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Take a little of what a client has sent, but of a large message more at once."""
        return _incoming[: max(READ, self._splitter.wanted)]

    def buffer_updated(self, nbytes: int) -> None:
        """Handle the requests that are complete, and send what they were answered at once."""
        if self._transport is None:
            return  # turned away
        self._settle()
        self._messages = self._splitter.feed(bytes(_incoming[:nbytes]))
        self._handle()
        self._read_on()

    def _go_on(self) -> None:
        turns, now = self._server.turns, monotonic()
        if turns.waits(self.sender, now):
            if turns.may(now):
                self._handle()
                turns.took(now)
            else:
                self._put_off()
        else:
            self._handle()
        self._read_on()

    def _handle(self) -> None:
        """Handle requests until there are no more, or it is the turn of others."""
        messages, turns, handled = self._messages, self._server.turns, 0
        if messages is None or self._transport is None:
            return
        now = monotonic()
        until = now + SLICE
        self._reading = True
        try:
            for frames in messages:
                self._take(frames)
                handled += 1
                now = monotonic()
                if now > until or (handled > 1 and turns.waits(self.sender, now)):
                    self._put_off()
                    break
            else:
                if handled == 1 and not self._behind:
                    turns.came(self.sender, now)
                self._messages, self._behind = None, False
        except MessageError as error:
            self._server.malformed += 1
            log.warning("local.malformed", userid=self.cred.userid, reason=str(error))
            self.abort()
        finally:
            self._reading = False
        self._flush()

    def _put_off(self) -> None:
        """Leave the rest until others have had their turn, and unread what comes meanwhile."""
        self._behind = True
        if self._transport is not None:
            self._transport.pause_reading()
            slow = self._server.turns.waits(self.sender, monotonic())
            self._loop.call_later(TICK if slow else 0.0, self._go_on)

    def _read_on(self) -> None:
        """Read what comes, unless there are requests to be handled, or too much to be written."""
        if self._transport is not None and self._messages is None and not self._choked:
            self._transport.resume_reading()
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
        if self._splitter.partial and self._transport is not None:
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
        if self._buffered() + self._waiting + len(data) > self.waiting_max:
            self.abort()
            raise PeerGoneError(f"it has left {self.waiting_max} bytes unread")
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
