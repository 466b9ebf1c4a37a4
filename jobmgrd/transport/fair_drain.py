"""Reads a ROUTER so that no peer slows down the others (see jobmgrd.turns and jobmgrd.drain).

Theory: leaving one peer's messages unread. ZeroMQ hands out the messages of all peers in turn, and
cannot be told to leave one's alone. But two messages in a row of one peer say that no other has
sent anything, and that the next one who does will signal. Then reading stops; ZeroMQ's queue for
that peer fills up, and then the peer's own. The messages read too many wait here, a few for every
request of who is served meanwhile.

If they become too many, some have to be handled, and the time for it is right after an answer to
who is quick: while that client thinks. It will then have sent its next request before reading goes
on, which spares the two messages in a row.

N.B. To handle what happened on the socket is to swallow its signal. While messages stay unread,
- a drain begins with asking for ZMQ_EVENTS, since receiving does not notice what is new;
- a send may swallow a signal (see Drain), and to read after each send would be to read two more
  messages. So who sends says so before, and has it read only if there is a signal;
- receiving does so once in a hundred frames. So the second message in a row is read only if there
  is no signal. What comes in just between waits for TICK at most.
"""

import asyncio
import select
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Final

import zmq

from jobmgrd.drain import Drain
from jobmgrd.turns import TICK, Turns

RUN: Final = 4
"""So many messages in a row mean that a peer piles them up."""
MARK: Final = 0.01
"""Seconds for which that is remembered."""
MARKS_MAX: Final = 1024
HELD_MAX: Final = 64
"""Messages that wait here; beyond, some are handled at once."""
MANY: Final = 48
"""From so many on, some are handled while a quick client thinks, until there are few."""
FEW: Final = 32
GAP: Final = 0.00006
"""Seconds for that; a quick client takes twice as long to ask again, about."""

Frames = list[bytes]


class FairDrain:
    """Hands the messages of a socket to `take`, which must not raise, in an order that is fair.

    Args:
        socket: a ROUTER; it stays its owner's, who closes this first.
        take: is given every message.
        receive: reads one; the first frame says who has sent it.
        turns: are those of all sockets that are read for the same daemon.
    """

    def __init__(
        self,
        socket: "zmq.Socket[bytes]",
        take: Callable[[Frames], None],
        receive: Callable[["zmq.Socket[bytes]"], Frames],
        turns: Turns,
    ) -> None:
        self._socket = socket
        self._take = take
        self._turns = turns
        self._held: deque[Frames] = deque()
        self._piling: dict[bytes, float] = {}  # until when that is remembered
        self._last = b""  # whose message was read last
        self._run = 0  # how many of it, one after the other
        self._timer: asyncio.TimerHandle | None = None  # runs while somebody has to wait
        self._deferred = 0.0  # since when what was handled goes on in the loop
        self._signal = select.poll()
        self._drain = Drain(socket, self._sort, self._begin, receive)

    def open(self) -> None:
        """See Drain."""
        self._signal.register(self._socket, select.POLLIN)
        self._drain.open()

    def sending(self) -> None:
        """Read at the end of this tick what may be new: to be called before every send."""
        if self._timer is not None:
            if not self._signal.poll(0):
                return
            self._last = b""
        self._drain.soon()

    def close(self) -> None:
        """See Drain; what waits is dropped, as what is unread."""
        if self._timer is not None:
            self._timer.cancel()
        self._held.clear()
        self._drain.close()

    def _begin(self) -> None:
        self._last = b""
        self._run = 0

    def _sort(self, frames: Frames) -> bool:
        """Take a message, or have it wait; whether reading may stop."""
        now = monotonic()
        if self._held and not self._turns.slow(now):
            self._go_on(now)
        peer = frames[0]
        if self._waits(peer, now):
            return self._hold(peer, frames, now)
        if self._run % RUN == RUN - 1:
            self._socket.get(zmq.EVENTS)  # lets others come in between
        self._take(frames)
        if self._held:
            self._go_on(monotonic())
        return False

    def _hold(self, peer: bytes, frames: Frames, now: float) -> bool:
        """Have a message wait; whether nobody else has sent anything."""
        self._held.append(frames)
        if len(self._held) > HELD_MAX:
            self._go_on(now)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TICK, self._tick)
        if self._run > 1 and peer == self._last:
            self._piling[peer] = now + MARK
            self._begin()
            return True
        if self._signal.poll(0):
            self._socket.get(zmq.EVENTS)
            self._last = b""
        return False

    def _waits(self, peer: bytes, now: float) -> bool:
        """Whether a message of a peer has to wait."""
        if peer == self._last:
            self._run += 1
            if self._run >= RUN:
                self._mark(peer, now)
        else:
            self._last = peer
            self._run = 1
        if self._piling and (until := self._piling.get(peer)) is not None:
            if now < until or self._held:
                return self._turns.waits(peer, now)
            del self._piling[peer]
        if self._run == 1:
            self._turns.came(peer, now)
        return False

    def _mark(self, peer: bytes, now: float) -> None:
        if len(self._piling) >= MARKS_MAX and not self._held:
            self._piling.clear()
        self._piling[peer] = now + MARK

    def _go_on(self, now: float) -> None:
        """Handle of what waits what may be handled now, the oldest first."""
        held, turns = self._held, self._turns
        until = now + GAP if len(held) > MANY else now
        loop = asyncio.get_running_loop()
        loop.call_soon(self._deferred_begins)
        while held and (turns.may(now) or not turns.slow(now) or (len(held) > FEW and now < until)):
            began = monotonic()
            self._take(held.popleft())
            now = turns.took(began)
        loop.call_soon(self._deferred_ends)

    def _deferred_begins(self) -> None:
        """What the loop does between this and the other is what was handled goes on with."""
        self._deferred = monotonic()

    def _deferred_ends(self) -> None:
        self._turns.took(self._deferred)

    def _tick(self) -> None:
        self._timer = None
        now = monotonic()
        self._go_on(now)
        if self._turns.slow(now):
            self._timer = asyncio.get_running_loop().call_later(TICK, self._tick)
        self._drain.soon()
