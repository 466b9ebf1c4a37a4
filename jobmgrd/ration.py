"""A ration: of what holds much memory while it is made, each user has a few at a time.

The others wait for their turn, in order, and hold nothing yet; they are other users' turns never.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Ration:
    """At most `most` at a time, for each user."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.users: dict[int, _Queue] = {}
        """Those who have work that is done, or waits."""

    async def take(self, userid: int, work: Coroutine[Any, Any, T]) -> T:
        """Do some work of a user when it is its turn."""
        queue = self.users.get(userid)
        if queue is None:
            queue = self.users[userid] = _Queue(self._most)
        queue.length += 1
        try:
            async with queue.turns:
                return await work
        finally:
            work.close()  # it may not have begun
            queue.length -= 1
            if not queue.length:
                del self.users[userid]


class _Queue:
    """The work of one user, that which is done and that which waits."""

    def __init__(self, most: int) -> None:
        self.turns = asyncio.Semaphore(most)
        self.length = 0
