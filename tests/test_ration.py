"""So many at a time for each user, the others in order."""

import asyncio

import pytest

from jobmgrd.ration import Ration


class Work:
    """Pieces of work that are done when the test says so."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.go: dict[str, asyncio.Event] = {}

    async def do(self, name: str) -> str:
        """Do one of them."""
        self.begun.append(name)
        await self.go.setdefault(name, asyncio.Event()).wait()
        return name.upper()


async def settle() -> None:
    """Let the loop turn until nothing is left to do."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_each_user_has_so_many_at_a_time_in_order() -> None:
    """And no user waits for another."""
    ration, work = Ration(2), Work()
    mine = [asyncio.create_task(ration.take(1, work.do(name))) for name in "abcd"]
    await settle()
    other = asyncio.create_task(ration.take(2, work.do("x")))
    await settle()
    assert work.begun == ["a", "b", "x"]
    work.go["b"].set()
    await settle()
    assert work.begun == ["a", "b", "x", "c"]
    for name in "acdx":
        work.go.setdefault(name, asyncio.Event()).set()
    assert await asyncio.gather(*mine, other) == ["A", "B", "C", "D", "X"]
    assert not ration.users


async def test_one_that_fails_or_is_canceled_makes_room() -> None:
    """Whether it has begun or not."""
    ration, work = Ration(1), Work()

    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await ration.take(1, fail())
    first, second, third = (asyncio.create_task(ration.take(1, work.do(n))) for n in "abc")
    await settle()
    second.cancel()
    first.cancel()
    await settle()
    assert work.begun == ["a", "c"]
    work.go["c"].set()
    assert await third == "C"
    assert not ration.users
