"""Long answers are made a piece at a time, and the peers take turns."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from jobmgrd.call import Peer, PeerGoneError
from jobmgrd.lanes import Lanes
from jobmgrd.turns import TIMES, Turns
from tests.services.bench import Peer as BenchPeer

PIECES = 3


class Work:
    """Makes pieces, and knows how many are being made."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self._making = 0

    async def pieces(self, name: str) -> AsyncGenerator[str, None]:
        """So many pieces, each made over some turns of the loop."""
        for _ in range(PIECES):
            self._making += 1
            assert self._making == 1
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            self._making -= 1
            self.order.append(name)
            yield name


async def taken(lanes: Lanes, peer: Peer, pieces: AsyncGenerator[str, None]) -> int:
    """Take all pieces."""
    return len([piece async for piece in lanes.paced(peer, pieces)])


async def test_one_answer_does_not_wait_for_the_many_of_another_peer() -> None:
    """It is done after about as many of theirs as it has pieces; at no time are two made."""
    lanes, work = Lanes(Turns()), Work()
    greedy, modest = BenchPeer(), BenchPeer()
    many = [taken(lanes, greedy, work.pieces("greedy")) for _ in range(50)]
    one = taken(lanes, modest, work.pieces("modest"))
    assert await asyncio.gather(*many, one) == [PIECES] * 51
    last = max(n for n, name in enumerate(work.order) if name == "modest")
    assert last < 3 * PIECES
    assert not lanes._lanes
    assert not lanes._busy


async def test_an_answer_that_is_given_up_leaves_its_lane() -> None:
    """Others of the same peer go on, and the pieces are closed."""
    lanes, work, peer = Lanes(Turns()), Work(), BenchPeer()
    first = lanes.paced(peer, work.pieces("first"))
    assert await anext(first) == "first"
    await first.aclose()
    assert await taken(lanes, peer, work.pieces("second")) == PIECES
    assert not lanes._lanes
    assert not lanes._busy


async def test_pieces_wait_while_somebody_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the last piece says; then they go on."""
    turns, work = Turns(), Work()
    slept: list[float] = []
    sleep = asyncio.sleep

    async def note(delay: float) -> None:
        if delay:
            slept.append(delay)
            turns._until = 0.0
        await sleep(0)

    for n in range(TIMES + 1):
        turns.came("quick", n * 1e-4)
    turns._until = turns._free = float("inf")
    monkeypatch.setattr(asyncio, "sleep", note)
    assert await taken(Lanes(turns), BenchPeer(), work.pieces("long")) == PIECES
    assert len(slept) == 1


async def test_a_turn_that_comes_to_who_is_given_up_is_passed_on() -> None:
    """Also if that is in the very moment in which it comes."""
    lanes, work, peer = Lanes(Turns()), Work(), BenchPeer()
    first = lanes.paced(peer, work.pieces("first"))
    async with lanes._turn(peer):
        second, third = (
            asyncio.create_task(taken(lanes, peer, work.pieces(name))) for name in ("2nd", "3rd")
        )
        await asyncio.sleep(0)
        assert len(lanes._lanes[peer]) == 2
    second.cancel()
    async with asyncio.timeout(20):
        assert await third == PIECES
        assert await anext(first) == "first"
        await first.aclose()
    assert second.cancelled()
    assert "2nd" not in work.order


async def test_nothing_more_is_made_for_a_peer_that_has_gone() -> None:
    """Its answers end with PeerGoneError when it is their turn, those of others go on."""
    lanes, work = Lanes(Turns()), Work()
    gone, other = BenchPeer(), BenchPeer()
    async with lanes._turn(other):
        many = [asyncio.create_task(taken(lanes, gone, work.pieces("gone"))) for _ in range(50)]
        one = asyncio.create_task(taken(lanes, other, work.pieces("other")))
        await asyncio.sleep(0)
        lanes.abandon(gone)
    for task in many:
        with pytest.raises(PeerGoneError):
            await task
    assert await one == PIECES
    assert work.order == ["other"] * PIECES
    assert not lanes._lanes
