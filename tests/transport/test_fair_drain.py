"""A ROUTER is read so that a peer that piles up requests does not slow down the others."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from tempfile import TemporaryDirectory
from time import monotonic

import pytest
import zmq

from jobmgrd import multipart
from jobmgrd.transport import fair_drain
from jobmgrd.transport.fair_drain import HELD_MAX, RUN, FairDrain
from jobmgrd.turns import Turns

PILE = 1000


class Fixed(Turns):
    """The turns as a test wants them."""

    quick = b""
    allows = False

    def __init__(self) -> None:
        super().__init__()
        self.charged: list[tuple[float, float]] = []

    def came(self, peer: Hashable, now: float) -> None:
        """Does not matter."""

    def slow(self, _now: float) -> bool:
        """See Turns."""
        return bool(self.quick)

    def waits(self, peer: Hashable, _now: float) -> bool:
        """See Turns."""
        return bool(self.quick) and peer != self.quick

    def may(self, _now: float) -> bool:
        """See Turns."""
        return self.allows

    def took(self, began: float) -> float:
        """Note since when, and until when."""
        self.charged.append((began, monotonic()))
        return super().took(began)


class Served:
    """A ROUTER that answers with what it is asked, and its clients."""

    def __init__(self, directory: str) -> None:
        self._endpoint = f"ipc://{directory}/rpc"
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.bind(self._endpoint)
        self.turns = Fixed()
        self._clients: list[zmq.Socket[bytes]] = []
        self.taken: list[tuple[bytes, bytes]] = []
        self.worked: list[float] = []
        self.some = asyncio.Event()
        self.drain = FairDrain(self.socket, self._take, multipart.receive, self.turns)

    def _take(self, frames: list[bytes]) -> None:
        self.taken.append((frames[0], frames[1]))
        self.send(frames)
        asyncio.get_running_loop().call_soon(self.deferred)
        self.some.set()

    def send(self, frames: list[bytes]) -> None:
        """Send, as who owns such a socket does."""
        self.drain.sending()
        multipart.send(self.socket, frames)

    def deferred(self) -> None:
        """What a request has done later."""
        self.worked.append(monotonic())

    def client(self, name: bytes) -> "zmq.Socket[bytes]":
        """A DEALER of that name, which waits for answers for a bounded time."""
        made = self.context.socket(zmq.DEALER)
        made.setsockopt(zmq.ROUTING_ID, name)
        made.setsockopt(zmq.RCVTIMEO, 20_000)
        made.connect(self._endpoint)
        self._clients.append(made)
        return made

    def close(self) -> None:
        """Close all sockets."""
        self.drain.close()
        for socket in (self.socket, *self._clients):
            socket.close(linger=0)
        self.context.term()

    def of(self, name: bytes) -> list[int]:
        """What was taken of a client, which numbers its requests."""
        return [int(data) for peer, data in self.taken if peer == name]

    async def until_taken(self, name: bytes, count: int) -> None:
        """Wait until so many requests of a client were taken."""
        async with asyncio.timeout(20):
            while len(self.of(name)) < count:
                self.some.clear()
                await self.some.wait()


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """A socket that is bound in a directory of its own; nobody reads it yet."""
    with TemporaryDirectory(prefix="jm-") as directory:
        made = Served(directory)
        yield made
        made.close()


def pile(client: "zmq.Socket[bytes]", count: int, first: int = 0) -> None:
    """Send requests without waiting."""
    for n in range(first, first + count):
        client.send(b"%d" % n)


def ask(client: "zmq.Socket[bytes]", n: int) -> bytes:
    """Ask, and wait for the answer."""
    client.send(b"%d" % n)
    return client.recv()


async def test_all_is_taken_in_order_when_nobody_is_quick(served: Served) -> None:
    """Two that pile up are served in turn."""
    one, other = served.client(b"one"), served.client(b"other")
    pile(one, PILE)
    pile(other, PILE)
    served.drain.open()
    await served.until_taken(b"one", PILE)
    await served.until_taken(b"other", PILE)
    assert served.of(b"one") == served.of(b"other") == list(range(PILE))
    assert not served.drain._held


async def leave_unread(served: Served) -> "zmq.Socket[bytes]":
    """Have one pile up requests while another, which is given, is quick."""
    greedy, quick = served.client(b"greedy"), served.client(b"quick")
    served.drain.open()
    await asyncio.to_thread(ask, quick, 0)
    served.turns.quick = b"quick"
    pile(greedy, PILE)
    await served.until_taken(b"greedy", RUN - 1)
    return quick


async def test_what_is_piled_up_stays_unread_while_another_is_quick(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few are taken for each request of the other, which is answered at once; later the rest."""
    monkeypatch.setattr(fair_drain, "TICK", 60.0)
    quick = await leave_unread(served)
    rounds = 50
    for n in range(1, rounds):
        assert await asyncio.to_thread(ask, quick, n) == b"%d" % n
    assert len(served.of(b"greedy")) <= RUN + 4 * rounds
    assert len(served.drain._held) <= HELD_MAX
    served.turns.quick = b""
    served.drain.sending()
    await asyncio.to_thread(ask, quick, rounds)
    await served.until_taken(b"greedy", PILE)
    assert served.of(b"greedy") == list(range(PILE))


async def test_what_is_sent_has_no_more_read_while_all_is_left_unread(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request of somebody else is still noticed, and not only by the clock."""
    monkeypatch.setattr(fair_drain, "TICK", 60.0)
    quick = await leave_unread(served)
    await asyncio.to_thread(ask, quick, 1)
    read = len(served.of(b"greedy")) + len(served.drain._held)
    answers = 50
    for n in range(answers):
        served.send([b"quick", b"%d" % n])
        await asyncio.sleep(0)
    assert [quick.recv() for _ in range(answers)] == [b"%d" % n for n in range(answers)]
    assert await asyncio.to_thread(ask, quick, 2) == b"2"
    assert len(served.of(b"greedy")) + len(served.drain._held) < read + answers


async def test_what_a_request_has_done_later_is_of_its_share(served: Served) -> None:
    """What runs in the loop's next turn is charged, as the request itself."""
    greedy, quick = served.client(b"greedy"), served.client(b"quick")
    served.drain.open()
    await asyncio.to_thread(ask, quick, 0)
    pile(greedy, RUN)
    await served.until_taken(b"greedy", RUN)
    assert not served.turns.charged
    served.turns.quick, served.turns.allows = b"quick", True
    pile(greedy, PILE, RUN)
    await served.until_taken(b"greedy", PILE)
    assert any(
        began <= worked <= ended
        for began, ended in served.turns.charged
        for worked in served.worked
    )


async def test_what_waits_has_its_share_by_the_clock(served: Served) -> None:
    """Also if the one that is quick does not come any more."""
    greedy, quick = served.client(b"greedy"), served.client(b"quick")
    served.drain.open()
    await asyncio.to_thread(ask, quick, 0)
    served.turns.quick, served.turns.allows = b"quick", True
    pile(greedy, PILE)
    await served.until_taken(b"greedy", 3 * HELD_MAX)


async def test_many_that_pile_up_are_forgotten(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is remembered of peers is bounded."""
    monkeypatch.setattr(fair_drain, "MARKS_MAX", 3)
    served.drain.open()
    for n in range(10):
        pile(served.client(b"%d" % n), 2 * RUN)
        await served.until_taken(b"%d" % n, 2 * RUN)
        assert len(served.drain._piling) <= 3
