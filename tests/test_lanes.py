"""Long answers are made a piece at a time, and the peers take turns."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from jobmgrd.call import Peer, PeerGoneError
from jobmgrd.lanes import BEGUN_MAX, Lanes
from jobmgrd.turns import TIMES, Turns
from tests.services.bench import Peer as BenchPeer

PIECES = 3


class Work:
    """Makes pieces, and knows how many are being made."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self._making = 0

    async def pieces(
        self, name: str, held: asyncio.Event | None = None
    ) -> AsyncGenerator[str, None]:
        """So many pieces, each made over some turns of the loop; the first waits if it is held."""
        for _ in range(PIECES):
            if held is not None:
                await held.wait()
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


@pytest.mark.parametrize(("quick", "waits"), [("somebody", 1), (BenchPeer.sender, 0)])
async def test_pieces_wait_while_somebody_else_is_quick(
    quick: str, waits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
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
        turns.came(quick, n * 1e-4)
    turns._until = turns._free = float("inf")
    monkeypatch.setattr(asyncio, "sleep", note)
    assert await taken(Lanes(turns), BenchPeer(), work.pieces("long")) == PIECES
    assert len(slept) == waits


async def test_a_turn_that_comes_to_who_is_given_up_is_passed_on() -> None:
    """Also if that is in the very moment in which it comes."""
    lanes, work, peer, held = Lanes(Turns()), Work(), BenchPeer(), asyncio.Event()
    first = asyncio.create_task(taken(lanes, peer, work.pieces("1st", held)))
    await asyncio.sleep(0)
    second, third = (
        asyncio.create_task(taken(lanes, peer, work.pieces(name))) for name in ("2nd", "3rd")
    )
    await asyncio.sleep(0)
    held.set()
    while "1st" not in work.order:  # noqa: ASYNC110 - the very turn of the loop is meant
        await asyncio.sleep(0)
    second.cancel()
    async with asyncio.timeout(20):
        assert await third == await first == PIECES
    assert second.cancelled()
    assert "2nd" not in work.order
    assert not lanes._lanes
    assert not lanes._busy


async def test_nothing_more_is_made_for_a_peer_that_has_gone() -> None:
    """Its answers end with PeerGoneError when it is their turn, those of others go on."""
    lanes, work, held = Lanes(Turns()), Work(), asyncio.Event()
    gone, other = BenchPeer(), BenchPeer()
    one = asyncio.create_task(taken(lanes, other, work.pieces("other", held)))
    await asyncio.sleep(0)
    many = [asyncio.create_task(taken(lanes, gone, work.pieces("gone"))) for _ in range(50)]
    await asyncio.sleep(0)
    lanes.abandon(gone)
    held.set()
    for task in many:
        with pytest.raises(PeerGoneError):
            await task
    assert await one == PIECES
    assert work.order == ["other"] * PIECES
    assert not lanes._lanes


async def test_a_few_answers_to_a_peer_are_made_at_a_time() -> None:
    """The others have found nothing yet, and begin in order when one is done or given up."""
    lanes, work, peer = Lanes(Turns()), Work(), BenchPeer()
    names = [f"{n:02}" for n in range(5 * BEGUN_MAX)]
    answers = [lanes.paced(peer, work.pieces(name)) for name in names]
    begun = [await anext(answer) for answer in answers[:BEGUN_MAX]]
    assert begun == names[:BEGUN_MAX]
    rest = [asyncio.create_task(_rest(answer)) for answer in answers[BEGUN_MAX:]]
    async with asyncio.timeout(20):
        assert await taken(lanes, BenchPeer(), work.pieces("other")) == PIECES
        assert not set(names[BEGUN_MAX:]) & set(work.order)
        await answers[0].aclose()
        assert await rest[0] == PIECES
        for answer in answers[1:BEGUN_MAX]:
            await answer.aclose()
        assert await asyncio.gather(*rest) == [PIECES] * len(rest)
    ended = list(dict.fromkeys(reversed(work.order)))[::-1]
    assert [name for name in ended if name in names] == names
    assert not lanes._lanes
    assert not lanes._busy


async def _rest(answer: AsyncGenerator[str, None]) -> int:
    return len([piece async for piece in answer])
