"""Peers that fail before they show a key: each kind is told with its address and a reason."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

import pytest
import zmq

from jobmgrd.curve import Curve, KeyPair, generate
from jobmgrd.limits import Guard
from jobmgrd.transport.handshakes import NO_ZMTP, Handshakes
from jobmgrd.transport.refusals import LOGGED_MAX, WINDOW, Refusals
from jobmgrd.transport.zap import Zap

HUNG_UP: Final = "it hung up"
PATIENCE: Final = 800
"""Milliseconds for a handshake."""
SIGNATURE: Final = b"\xff\0\0\0\0\0\0\0\x01\x7f"


def greeting(mechanism: bytes) -> bytes:
    """What a peer of ZMTP 3 says first (RFC 23)."""
    return SIGNATURE + b"\x03\x00" + mechanism.ljust(20, b"\0") + b"\0" * 32


class Door:
    """A socket that lets in those who have a known key."""

    def __init__(self) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.guard = Guard()
        self.own, self.known = generate(), generate()
        self.told: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        key = self.known.public.decode()
        refusals = Refusals("keys", self.guard, lambda: 0.0)
        self.zap = Zap(self.context, lambda _domain, shown: shown == key, refusals)
        self.router = self.context.socket(zmq.ROUTER)
        self.router.setsockopt(zmq.LINGER, 0)
        self.router.setsockopt(zmq.CURVE_SERVER, 1)
        self.router.setsockopt(zmq.CURVE_SECRETKEY, self.own.secret)
        self.router.setsockopt(zmq.ZAP_DOMAIN, b"rpc")
        self.router.setsockopt(zmq.HANDSHAKE_IVL, PATIENCE)
        self.handshakes = Handshakes(
            self.context, self.router, lambda *said: self.told.put_nowait(said)
        )
        self.port = self.router.bind_to_random_port("tcp://127.0.0.1")

    def open(self) -> None:
        """Begin to look."""
        self.zap.open()
        self.handshakes.open()

    def close(self) -> None:
        """Look no more."""
        self.handshakes.close()
        self.router.close()
        self.zap.close()
        self.context.term()

    def dealer(self, own: KeyPair | None, server: bytes) -> "zmq.Socket[bytes]":
        """A client that tries once."""
        client: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        client.setsockopt(zmq.LINGER, 0)
        client.setsockopt(zmq.RECONNECT_IVL, -1)
        if own is not None:
            Curve(own, server).apply(client)
        client.connect(f"tcp://127.0.0.1:{self.port}")
        return client

    async def peer(self) -> socket.socket:
        """A TCP connection of which the door has been told."""
        peer = socket.create_connection(("127.0.0.1", self.port))
        peer.setblocking(False)
        assert await asyncio.get_running_loop().sock_recv(peer, 1)  # it is greeted
        for _ in range(2):
            await asyncio.sleep(0)
        return peer

    async def refusal(self) -> tuple[str, str]:
        """The next peer that failed."""
        return await asyncio.wait_for(self.told.get(), 10)

    async def knock(self) -> None:
        """Have a client that knows a key come and go, after it was heard."""
        client = self.dealer(self.known, self.own.public)
        with client:
            client.send(b"hello")
            await readable(self.router)
            self.router.recv_multipart()


async def readable(sock: "zmq.Socket[bytes]") -> None:
    """Wait for a message, and let the loop turn meanwhile."""
    async with asyncio.timeout(10):
        while not sock.poll(0):  # noqa: ASYNC110 - its descriptor tells of other things, too
            await asyncio.sleep(0.001)


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    """A socket with CURVE whose peers are watched."""
    door = Door()
    door.open()
    yield door
    door.close()


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n" * 40, NO_ZMTP),
        (SIGNATURE + b"\x00\x05\x00\x00", NO_ZMTP),  # ZMTP 1
        (SIGNATURE + b"\x01\x05\x00\x00", NO_ZMTP),  # ZMTP 2
        (greeting(b"NULL"), "it asks for another mechanism than CURVE"),
        (greeting(b"CURVE") + b"\x04\x10" + b"x" * 16, "ZMTP protocol error 0x10000011"),
        (b"", "it took too long"),
        (None, HUNG_UP),
    ],
    ids=["http", "zmtp1", "zmtp2", "null", "junk", "silent", "hangs-up"],
)
async def test_who_fails_is_told_with_address_and_reason(
    door: Door, says: bytes | None, reason: str
) -> None:
    """Whatever it says instead of a handshake; and those who have a key are let in before it."""
    await door.knock()
    with await door.peer() as peer:
        address = "{}:{}".format(*peer.getsockname())
        await door.knock()
        if says is None:
            peer.close()
        else:
            peer.sendall(says)
        assert await door.refusal() == (address, reason)
    await door.knock()
    assert door.told.empty()


async def test_clients_that_cannot_be_let_in(door: Door) -> None:
    """One believes in another server, one speaks no CURVE and may be the first to hang up."""
    with door.dealer(door.known, generate().public):
        assert (await door.refusal())[1] == "it has another key for this server's"
    with door.dealer(None, b""):
        assert (await door.refusal())[1] in (HUNG_UP, "it asks for another mechanism than CURVE")
    assert door.guard.refused["keys"] == 0


async def test_who_has_shown_a_key_is_not_told_here(door: Door) -> None:
    """Clients that are let in and leave, at once or later, many at a time, and strangers."""
    with await door.peer() as silent:
        for n in range(1, 4):
            clients = [door.dealer(door.known, door.own.public) for _ in range(5)]
            for client in clients:
                client.send(b"hello")
            clients += [door.dealer(generate(), door.own.public)]
            for _ in clients[:-1]:
                await readable(door.router)
                door.router.recv_multipart()
            async with asyncio.timeout(10):
                while door.guard.refused["keys"] < n:  # noqa: ASYNC110 - nobody sets an event
                    await asyncio.sleep(0.001)
            for client in clients:
                client.close()
        address = "{}:{}".format(*silent.getsockname())
    assert await door.refusal() == (address, HUNG_UP)
    assert door.told.empty()


async def test_a_peer_that_was_dropped_before_anybody_looked_has_no_address(door: Door) -> None:
    """It is told nevertheless."""
    peer = socket.create_connection(("127.0.0.1", door.port))
    with peer:
        peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with suppress(ConnectionResetError):
            while peer.recv(64):  # the loop stands still until ZeroMQ has closed it
                pass
    assert await door.refusal() == ("unknown", NO_ZMTP)


def test_refusals_are_counted_all_and_logged_some(capsys: pytest.CaptureFixture[str]) -> None:
    """The first of a minute, and how many more there were when the next minute begins."""
    guard, now = Guard(), [0.0]
    refusals = Refusals("handshakes", guard, lambda: now[0])
    for n in range(LOGGED_MAX + 3):
        refusals.note("rpc", f"10.0.0.{n}:1", reason=HUNG_UP)
    now[0] = WINDOW
    refusals.note("events", "10.9.9.9:1", reason=HUNG_UP)
    assert guard.refused["handshakes"] == LOGGED_MAX + 4
    said = capsys.readouterr()
    text = said.out + said.err
    assert text.count(HUNG_UP) == LOGGED_MAX + 1
    assert "10.0.0.9:1" in text
    assert "10.0.0.10:1" not in text
    assert "10.9.9.9:1" in text
    assert re.search(r"peers\W+3\b", text)
