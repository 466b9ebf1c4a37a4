"""Long answers, a piece at a time: one piece of one peer, then one of the next.

Without this, a peer that asks for a hundred long answers at once has a hundred pieces made between
two looks at the sockets. Each peer has a lane in which its answers wait for each other, and the
first of every lane waits for those of other lanes; and all give way to a client that is quick
(jobmgrd.turns).
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from time import monotonic
from typing import TypeVar

from jobmgrd.call import Peer
from jobmgrd.turns import Turns

T = TypeVar("T")


class _Lane(asyncio.Lock):
    """Of one peer, for as long as answers use it."""

    users = 0


class Lanes:
    """The lanes of all peers that have long answers under way."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._lanes: dict[Peer, _Lane] = {}
        self._first = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._lanes)

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

    @asynccontextmanager
    async def _turn(self, peer: Peer) -> AsyncIterator[None]:
        lane = self._lanes.setdefault(peer, _Lane())
        lane.users += 1
        try:
            async with lane, self._first:
                delay = self._turns.delay(monotonic())
                if delay:
                    await asyncio.sleep(delay)
                began = monotonic()
                yield
                self._turns.took(began)
        finally:
            lane.users -= 1
            if not lane.users:
                del self._lanes[peer]
