"""Long answers, a piece at a time: one piece for one peer, then one for the next.

Without this, a peer that asks for a hundred long answers at once has a hundred pieces made between
two looks at the sockets. Of each peer a few answers are made at a time, since each holds what it
has found until it is done; the others have not begun. All give way to a client that is quick
(jobmgrd.turns).
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from time import monotonic
from typing import Final, TypeVar

from jobmgrd.call import Peer, PeerGoneError
from jobmgrd.turns import Turns

BEGUN_MAX: Final = 4
"""So many answers are made for one peer at a time."""

T = TypeVar("T")


class _Lane:
    """The answers to one peer: turns that some wait for, and how many have begun."""

    def __init__(self) -> None:
        self.fresh: deque[asyncio.Future[None]] = deque()
        self.begun: deque[asyncio.Future[None]] = deque()
        self.under_way = 0

    def may_begin(self) -> bool:
        """Whether one more answer may begin."""
        return self.under_way < BEGUN_MAX

    def take(self) -> "asyncio.Future[None] | None":
        """Who has the next turn: the first that has not been given up, if there is one."""
        if self.may_begin() and (turn := _first(self.fresh)):
            self.under_way += 1
            return turn
        return _first(self.begun)

    def waits(self) -> bool:
        """Whether there are any that wait, or did before they were given up."""
        return bool(self.fresh or self.begun)


def _first(waiting: "deque[asyncio.Future[None]]") -> "asyncio.Future[None] | None":
    while waiting:
        turn = waiting.popleft()
        if not turn.done():
            return turn
    return None


class Lanes:
    """A lane for each peer with answers that are not done; those with some that wait take turns.

    An asyncio.Lock would serve whoever came first; and if ten thousand answers are given up at
    once, each would search the others for its place.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._busy = False
        self._lanes: dict[Peer, _Lane] = {}
        self._peers: deque[Peer] = deque()  # those that wait, the next one first

    async def paced(self, peer: Peer, pieces: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        """The pieces of an answer to a peer, each made when it is its turn."""
        begun = False
        try:
            async with aclosing(pieces):
                while True:
                    async with self._turn(peer, fresh=not begun):
                        begun = True
                        try:
                            piece = await self._made(peer, pieces)
                        except StopAsyncIteration:
                            return
                    yield piece
        finally:
            if begun:
                self._end(peer)

    def abandon(self, peer: Peer) -> None:
        """Have no more pieces made for a peer that has gone: PeerGoneError in all that wait."""
        if lane := self._lanes.get(peer):
            for turn in (*lane.fresh, *lane.begun):
                if not turn.done():
                    turn.set_exception(PeerGoneError("it has gone"))

    @asynccontextmanager
    async def _turn(self, peer: Peer, *, fresh: bool) -> AsyncIterator[None]:
        lane = self._lanes.setdefault(peer, _Lane())
        if self._busy or (fresh and not lane.may_begin()):
            await self._wait(peer, lane, fresh=fresh)
        elif fresh:
            lane.under_way += 1
        self._busy = True
        try:
            yield
        finally:
            self._pass_on()

    async def _made(self, peer: Peer, pieces: AsyncGenerator[T, None]) -> T:
        """The next piece, once nobody else is quick or the last one was long enough ago."""
        began = monotonic()
        if self._turns.waits(peer.sender, began):
            await asyncio.sleep(self._turns.delay(began))
            began = monotonic()
        try:
            return await anext(pieces)
        finally:
            if self._turns.waits(peer.sender, began):
                self._turns.took(began)

    async def _wait(self, peer: Peer, lane: _Lane, *, fresh: bool) -> None:
        """Wait until the turn is passed on to an answer to this peer."""
        if not lane.waits():
            self._peers.append(peer)
        turn = asyncio.get_running_loop().create_future()
        (lane.fresh if fresh else lane.begun).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._pass_on()
                if fresh:
                    self._end(peer)
            raise

    def _end(self, peer: Peer) -> None:
        """An answer is done, or given up after it had begun: the next one may begin."""
        lane = self._lanes[peer]
        lane.under_way -= 1
        if not self._busy:
            self._pass_on()
        self._forget(peer, lane)

    def _pass_on(self) -> None:
        """Give the turn to the next peer's first answer that may have it."""
        self._busy = False
        for _ in range(len(self._peers)):
            peer = self._peers.popleft()
            lane = self._lanes[peer]
            turn = lane.take()
            if lane.waits():
                self._peers.append(peer)
            if turn is not None:
                self._busy = True
                turn.set_result(None)
                return
            self._forget(peer, lane)

    def _forget(self, peer: Peer, lane: _Lane) -> None:
        if not lane.under_way and not lane.waits():
            self._lanes.pop(peer, None)
