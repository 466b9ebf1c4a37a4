"""Long answers, a piece at a time: one piece for one peer, then one for the next.

Without this, a peer that asks for a hundred long answers at once has a hundred pieces made between
two looks at the sockets. All give way to a client that is quick (jobmgrd.turns).
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from time import monotonic
from typing import TypeVar

from jobmgrd.call import Peer, PeerGoneError
from jobmgrd.turns import Turns

T = TypeVar("T")


class Lanes:
    """A lane for each peer with answers that wait for their next piece; the peers take turns.

    An asyncio.Lock would serve whoever came first; and if ten thousand answers are given up at
    once, each would search the others for its place.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._busy = False
        self._lanes: dict[Peer, deque[asyncio.Future[None]]] = {}
        self._peers: deque[Peer] = deque()  # those that have a lane, the next one first

    async def paced(self, peer: Peer, pieces: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        """The pieces of an answer to a peer, each made when it is its turn."""
        async with aclosing(pieces):
            while True:
                async with self._turn(peer):
                    try:
                        piece = await anext(pieces)
                    except StopAsyncIteration:
                        return
                yield piece

    def abandon(self, peer: Peer) -> None:
        """Have no more pieces made for a peer that has gone: PeerGoneError in all that wait."""
        for turn in self._lanes.get(peer, ()):
            if not turn.done():
                turn.set_exception(PeerGoneError("it has gone"))

    @asynccontextmanager
    async def _turn(self, peer: Peer) -> AsyncIterator[None]:
        if self._busy:
            await self._wait(peer)
        self._busy = True
        try:
            delay = self._turns.delay(monotonic())
            if delay:
                await asyncio.sleep(delay)
            began = monotonic()
            yield
            self._turns.took(began)
        finally:
            self._pass_on()

    async def _wait(self, peer: Peer) -> None:
        """Wait until the turn is passed on to an answer to this peer."""
        if peer not in self._lanes:
            self._lanes[peer] = deque()
            self._peers.append(peer)
        turn = asyncio.get_running_loop().create_future()
        self._lanes[peer].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """Give the turn to the next peer's first answer that has not been given up."""
        while self._peers:
            peer = self._peers.popleft()
            lane = self._lanes[peer]
            while lane and lane[0].done():
                lane.popleft()
            if lane:
                lane.popleft().set_result(None)
                self._peers.append(peer)
                return
            del self._lanes[peer]
        self._busy = False
