"""The ROUTER socket: what is left of a peer that has vanished."""

import asyncio
from collections.abc import AsyncIterator
from tempfile import TemporaryDirectory

import pytest
import zmq

from jobmgrd.call import PeerGoneError
from jobmgrd.limits import Guard
from jobmgrd.transport.zmq_router import ZmqPeer, ZmqRouter
from jobmgrd.turns import Turns
from protocol.message import ROLE_OWNER, UNKNOWN, Cred, Request, Response

TIMEOUT = 20_000


class Served:
    """A router that answers everything, and notes what it could not answer."""

    def __init__(self, directory: str) -> None:
        self.endpoint = f"ipc://{directory}/rpc"
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._clients: list[zmq.Socket[bytes]] = []
        self.requests: asyncio.Queue[Request] = asyncio.Queue()
        self.router = ZmqRouter(
            self.context,
            [self.endpoint],
            self._answer,
            cred=Cred(1, ROLE_OWNER),
            guard=Guard(),
            turns=Turns(),
        )

    def _answer(self, request: Request, peer: ZmqPeer) -> None:
        self.requests.put_nowait(request)
        response = Response(request.topic, None, 0, UNKNOWN, request.matchtag, 0, request.routes)
        try:
            peer.send(response)
        except PeerGoneError:
            self.requests.put_nowait(Request("gone"))

    def close(self) -> None:
        """Close all sockets."""
        self.router.close()
        for client in self._clients:
            client.close(linger=0)
        self.context.term()

    def client(self, name: bytes = b"") -> "zmq.Socket[bytes]":
        """A DEALER, of that name or a given one."""
        made = self.context.socket(zmq.DEALER)
        if name:
            made.setsockopt(zmq.ROUTING_ID, name)
        made.setsockopt(zmq.RCVTIMEO, TIMEOUT)
        made.connect(self.endpoint)
        self._clients.append(made)
        return made


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """Bound and read."""
    with TemporaryDirectory(prefix="jm-") as directory:
        made = Served(directory)
        made.router.open()
        yield made
        made.close()


def leave(served: Served, client: "zmq.Socket[bytes]", count: int) -> None:
    """Ask, and vanish without reading; the loop does not turn meanwhile."""
    monitor = served.router.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    for n in range(count):
        client.send_multipart(Request("t", matchtag=n).frames())
    client.close(linger=TIMEOUT)
    assert monitor.poll(TIMEOUT)
    served.router.socket.disable_monitor()
    monitor.close()


async def test_the_last_requests_of_a_peer_that_vanished_are_not_handled(served: Served) -> None:
    """Beyond the first: nobody would read the answers. Others are served."""
    client = served.client()
    client.send_multipart(Request("hello").frames())
    await asyncio.to_thread(client.recv_multipart)
    leave(served, client, 100)
    other = served.client()
    other.send_multipart(Request("other").frames())
    await asyncio.to_thread(other.recv_multipart)
    topics = [served.requests.get_nowait().topic for _ in range(served.requests.qsize())]
    assert topics == ["hello", "t", "gone", "other"]


async def test_one_that_comes_again_under_a_name_of_its_own_is_served(served: Served) -> None:
    """A name that ZeroMQ gave comes once; one that the peer has chosen may come again."""
    client = served.client(b"name")
    client.send_multipart(Request("hello").frames())
    await asyncio.to_thread(client.recv_multipart)
    assert (await served.requests.get()).topic == "hello"
    leave(served, client, 1)
    assert [(await served.requests.get()).topic for _ in range(2)] == ["t", "gone"]
    again = served.client(b"name")
    again.send_multipart(Request("again").frames())
    assert await asyncio.to_thread(again.recv_multipart)
