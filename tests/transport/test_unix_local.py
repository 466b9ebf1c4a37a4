"""The local socket's own bounds: who stalls, who does not read, who is one too many."""

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from jobmgrd.access import Access, lowered
from jobmgrd.call import PeerGoneError
from jobmgrd.limits import Guard, Limits
from jobmgrd.publisher import Published, Publisher
from jobmgrd.transport import local_peer, unix_local
from jobmgrd.transport.local_peer import LocalPeer
from jobmgrd.transport.unix_local import UnixLocal
from jobmgrd.turns import Turns
from protocol import stream
from protocol.message import (
    ROLE_LOCAL,
    ROLE_OWNER,
    ROLE_USER,
    UNKNOWN,
    USERID_UNKNOWN,
    Cred,
    Request,
    Response,
)
from protocol.payload import Format
from tests.local_client import NORESPONSE, message

OWNER = 1000
MAX = 1 << 20


class Served:
    """A server in a directory of its own, and what it was told."""

    def __init__(self, path: Path, owner: int) -> None:
        self.path = path
        self.requests: asyncio.Queue[tuple[Request, LocalPeer]] = asyncio.Queue()
        self.lost: asyncio.Queue[LocalPeer] = asyncio.Queue()
        self.access = Access(owner)
        self.server = UnixLocal(
            path,
            self.access,
            lambda request, peer: self.requests.put_nowait((request, peer)),
            self.lost.put_nowait,
            guard=Guard(Limits(message_size=MAX)),
            turns=Turns(),
        )

    @asynccontextmanager
    async def client(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A connection; its greeting is unread."""
        reader, writer = await asyncio.open_unix_connection(self.path, limit=4096)
        yield reader, writer
        writer.close()

    async def peer(self, writer: asyncio.StreamWriter) -> LocalPeer:
        """The server's side of a connection, found by a request."""
        writer.write(message("t", matchtag=1))
        return (await self.requests.get())[1]


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A server that listens, whose owner runs the test."""
    made = Served(tmp_path / "local", os.getuid())
    await made.server.open()
    yield made
    await made.server.close()


async def test_one_that_stalls_within_a_message_is_dropped(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After STALL seconds; one that waits between messages may wait for ever."""
    monkeypatch.setattr(local_peer, "STALL", 0.05)
    async with served.client() as (idle, _), served.client() as (reader, writer):
        writer.write(message("t")[:20])
        assert await reader.read() == stream.GREETING
        assert await idle.readexactly(1) == stream.GREETING
        assert served.server.clients == 1
        assert served.lost.qsize() == 1


async def test_one_that_goes_on_in_time_is_served(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time is for each wait, not for the whole message."""
    monkeypatch.setattr(local_peer, "STALL", 0.3)
    data = message("t", b"x" * 5)
    async with served.client() as (_, writer):
        for byte in data:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.01)
        request, _ = await served.requests.get()
        assert request.payload == b"x" * 5


async def test_one_that_has_sent_much_is_read_a_little_at_a_time(served: Served) -> None:
    """So that it holds up nobody; all of its requests are served, in order."""
    many = 2000
    async with served.client() as (_, greedy), served.client() as (_, modest):
        greedy.write(b"".join(message("t", b"x" * 40, matchtag=n) for n in range(many)))
        modest.write(message("t", matchtag=many))
        served_tags = [(await served.requests.get())[0].matchtag for _ in range(many + 1)]
    assert served_tags.index(many) < many / 2
    served_tags.remove(many)
    assert served_tags == list(range(many))


async def test_a_large_message_is_read_in_large_pieces(served: Served) -> None:
    """Sixteen times as much at once as of small ones."""
    async with served.client() as (_, writer):
        peer = await served.peer(writer)
        assert len(peer.get_buffer(-1)) == local_peer.READ
        peer.get_buffer(-1)[:100] = message("t", b"x" * MAX)[:100]
        peer.buffer_updated(100)
        assert len(peer.get_buffer(-1)) == local_peer.READ_MAX


async def test_one_too_many_is_told_so(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """EMFILE as the greeting; when another has gone there is room again."""
    monkeypatch.setattr(unix_local, "CLIENTS_MAX", 1)
    async with served.client() as (first, writer):
        assert await first.read(1) == stream.GREETING
        async with served.client() as (second, _):
            assert await second.read() == bytes([errno.EMFILE])
        writer.close()
        await served.lost.get()
    async with served.client() as (third, _):
        assert await third.read(1) == stream.GREETING
    assert served.server.refused == 1


@pytest.fixture
async def guests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    """A server of another user, which lets guests in."""
    monkeypatch.setattr(unix_local, "CLIENTS_MAX", 16)
    made = Served(tmp_path / "local", os.getuid() + 1)
    made.access.configure(allow_guest_user=True, allow_root_owner=False)
    await made.server.open()
    yield made
    await made.server.close()


@pytest.mark.parametrize(("share", "fit"), [(4, 4), (1, 14)], ids=["one guest", "all guests"])
async def test_guests_leave_room_for_others(
    guests: Served, monkeypatch: pytest.MonkeyPatch, share: int, fit: int
) -> None:
    """One guest has a quarter of the connections at most, and all of them not the last eighth."""
    monkeypatch.setattr(unix_local, "GUEST_SHARE", share)
    async with AsyncExitStack() as stack:
        for _ in range(fit):
            reader, writer = await stack.enter_async_context(guests.client())
            assert await reader.read(1) == stream.GREETING
        async with guests.client() as (reader, _):
            assert await reader.read() == bytes([errno.EMFILE])
        writer.close()
        await guests.lost.get()
        async with guests.client() as (reader, _):
            assert await reader.read(1) == stream.GREETING


async def test_the_connections_of_a_guest_share_what_they_may_leave_unread(
    guests: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Down to GUEST_WAITING_MIN each; one alone has as much as anybody."""
    monkeypatch.setattr(unix_local, "GUEST_WAITING", 90 << 20)
    monkeypatch.setattr(unix_local, "GUEST_WAITING_MIN", 40 << 20)
    shares = []
    async with AsyncExitStack() as stack:
        for _ in range(3):
            _, writer = await stack.enter_async_context(guests.client())
            shares.append((await guests.peer(writer)).waiting_max)
    assert shares == [local_peer.WAITING_MAX, 45 << 20, 40 << 20]


async def test_who_may_not_connect_any_more_is_let_go(guests: Served) -> None:
    """And so is who would be somebody else now; others stay."""
    async with guests.client() as (reader, writer):
        peer = await guests.peer(writer)
        assert await reader.read(1) == stream.GREETING
        guests.server.look_again()
        assert await guests.peer(writer) is peer
        admins = frozenset({os.getuid()})
        guests.access.configure(allow_guest_user=True, allow_root_owner=False, admins=admins)
        guests.server.look_again()
        assert await reader.read() == b""
        assert await guests.lost.get() is peer


async def test_what_is_not_read_is_bounded(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond WAITING_MAX the peer is given up, and whoever sends is told."""
    monkeypatch.setattr(local_peer, "WAITING_MAX", 1 << 20)
    async with served.client() as (_, writer):
        peer = await served.peer(writer)
        peer.send(Response("t", b"x" * (1 << 19)))
        with pytest.raises(PeerGoneError, match="left 1048576 bytes unread"):
            peer.send(Response("t", b"x" * (1 << 20)))
        with pytest.raises(PeerGoneError, match="disconnected"):
            peer.send(Response("t"))
        assert await served.lost.get() is peer


async def test_a_tracked_response_has_gone_when_the_kernel_has_it(served: Served) -> None:
    """Or when the peer has."""
    async with served.client() as (reader, writer):
        peer = await served.peer(writer)
        small = peer.send_tracked(Response("t"))
        assert not small()
        await asyncio.sleep(0)
        assert small()
        large = peer.send_tracked(Response("t", b"x" * (8 << 20)))
        await asyncio.sleep(0)
        assert not large()
        peer.abort()
        assert large()
        await reader.read()


async def test_what_is_answered_in_one_turn_leaves_in_one_write(served: Served) -> None:
    """And in order."""
    async with served.client() as (reader, writer):
        peer = await served.peer(writer)
        event = Response("a"), Response("b")
        for response in event:
            peer.send(response)
        expected = stream.GREETING + b"".join(stream.encode(r.frames()) for r in event)
        assert await reader.readexactly(len(expected)) == expected


def test_an_event_is_framed_once_for_all() -> None:
    """However many have subscribed; in each format once."""
    publisher = Publisher(Cred(1, ROLE_OWNER))
    framed: list[bytes] = []

    class Twice:
        def deliver(self, event: Published) -> None:
            framed.extend(event.framed(format) for format in Format for _ in range(2))

    publisher.add(Twice())
    publisher.publish("t", {"a": 1})
    assert framed[0] is framed[1]
    assert b"\x81\xa1a\x01" in framed[0]
    assert framed[2] is framed[3]
    assert b'{"a":1}\0' in framed[2]


async def test_a_request_that_is_too_large_is_told_so(served: Served) -> None:
    """And the next one is served; of twice the size nothing is read, and its client is hung up."""
    async with served.client() as (reader, writer):
        writer.write(message("t", b"x" * (MAX + 1), matchtag=1))
        writer.write(message("t", b"x" * (MAX + 1), flags=NORESPONSE))
        writer.write(message("t", b"x" * MAX, matchtag=2))
        request, _ = await served.requests.get()
        assert request.matchtag == 2
        await reader.readuntil(b"[rpc] max-message-size\0")
        writer.write(message("t", b"x" * 2 * MAX)[:100])
        assert b"max-message-size" not in await reader.read()
    assert served.server.guard.refused["message_size"] == 2
    assert served.server.malformed == 1
    assert served.requests.empty()


async def test_a_path_that_is_too_long_is_an_error(tmp_path: Path) -> None:
    """As the system says: 107 bytes."""
    with pytest.raises(OSError, match="too long"):
        await Served(tmp_path / ("x" * 120), os.getuid()).server.open()


async def test_a_stranger_is_greeted_with_the_errno(tmp_path: Path) -> None:
    """RFC 3: one byte, then the end."""
    served = Served(tmp_path / "local", os.getuid() + 1)
    await served.server.open()
    async with served.client() as (reader, _):
        assert await reader.read() == bytes([errno.EPERM])
    assert served.lost.empty()
    await served.server.close()


async def test_closing_gives_what_was_sent_a_moment(served: Served) -> None:
    """A client that reads has its last responses, one that does not delays nobody for long."""
    async with served.client() as (reader, writer):
        peer = await served.peer(writer)
        deaf = socket.socket(socket.AF_UNIX)
        deaf.connect(str(served.path))
        peer.send(Response("last"))
        reading = asyncio.create_task(reader.read())
        await served.server.close()
        assert b"last" in await reading
        deaf.close()
    assert not served.path.exists()


class TestAccess:
    """RFC 12, Guest Authentication and Credential Assignment."""

    @pytest.mark.parametrize(
        ("guests", "root", "userid", "expected"),
        [
            (False, False, OWNER, Cred(OWNER, ROLE_OWNER | ROLE_LOCAL)),
            (False, False, 1001, None),
            (False, False, 0, None),
            (True, False, 1001, Cred(1001, ROLE_USER | ROLE_LOCAL)),
            (True, False, 0, Cred(0, ROLE_USER | ROLE_LOCAL)),
            (False, True, 0, Cred(OWNER, ROLE_OWNER | ROLE_LOCAL)),
            (False, True, 1001, None),
        ],
    )
    def test_who_may_connect_as_whom(
        self, guests: bool, root: bool, userid: int, expected: Cred | None
    ) -> None:
        """The owner always; root and others as configured."""
        access = Access(OWNER)
        access.configure(allow_guest_user=guests, allow_root_owner=root)
        assert access.admit(userid) == expected

    @pytest.mark.parametrize(
        ("claim", "expected"),
        [
            (UNKNOWN, Cred(OWNER, 5)),
            (Cred(7, ROLE_USER), Cred(7, ROLE_USER)),
            (Cred(USERID_UNKNOWN, ROLE_USER), Cred(OWNER, ROLE_USER)),
            (Cred(7, ROLE_OWNER), Cred(OWNER, 5)),
            (Cred(7, 0xFFFFFFFF), Cred(OWNER, 5)),
            (Cred(7, 0x10), Cred(7, 0)),
        ],
    )
    def test_an_owner_may_lower_itself(self, claim: Cred, expected: Cred) -> None:
        """Roles that are none are no roles."""
        assert lowered(Cred(OWNER, ROLE_OWNER | ROLE_LOCAL), claim) == expected

    @pytest.mark.parametrize("rolemask", [0, ROLE_USER, ROLE_OWNER])
    def test_a_guest_may_claim_nothing(self, rolemask: int) -> None:
        """Whatever its header says."""
        guest = Cred(1001, ROLE_USER | ROLE_LOCAL)
        assert lowered(guest, Cred(7, rolemask)) == guest


async def test_one_that_piles_up_requests_does_not_keep_others_waiting(served: Served) -> None:
    """Its requests are taken a millisecond's worth at a time, all of them and in order."""
    count = 5000
    async with served.client() as (_, greedy), served.client() as (_, other):
        first = await served.peer(greedy)
        await served.peer(other)
        greedy.write(b"".join(message("t", matchtag=n) for n in range(count)))
        other.write(message("t", matchtag=1))
        order = [await served.requests.get() for _ in range(count + 1)]
    tags = [request.matchtag for request, peer in order if peer is first]
    assert tags == list(range(count))
    assert next(n for n, (_, peer) in enumerate(order) if peer is not first) < count
