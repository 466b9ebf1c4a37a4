"""Many requests at once: a bounded number is under way, and a refusal stops none of the others."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

from protocol.errors import RpcError

T = TypeVar("T")
R = TypeVar("R")

WINDOW: Final = 512
"""Requests under way at once; the daemon makes those that come together durable together."""


async def each(ask: Callable[[T], Awaitable[R]], items: Iterable[T]) -> list[R | RpcError]:
    """Ask for every item; the answers, or refusals, in the order of the items.

    Raises:
        ConnectionError, TimeoutError: as the client does.
    """
    gate = asyncio.Semaphore(WINDOW)

    async def one(item: T) -> R | RpcError:
        async with gate:
            try:
                return await ask(item)
            except RpcError as error:
                return error

    return await asyncio.gather(*(one(item) for item in items))
