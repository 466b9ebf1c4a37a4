"""The router: dispatch, roles, the one place that answers errors, streams."""

import asyncio
import errno
from collections.abc import Coroutine, Iterable
from typing import Any

import pytest
from msgspec import Struct

from jobmgrd.call import Call, Gone, PeerGoneError, Stream, Value
from jobmgrd.flow import AHEAD_MAX, Flow
from jobmgrd.publisher import Published
from jobmgrd.router import Router, cancel_route
from jobmgrd.routes import OWNER, Route
from protocol.errors import RpcError
from protocol.message import (
    FLAG_NORESPONSE,
    FLAG_STREAMING,
    ROLE_OWNER,
    ROLE_USER,
    Cred,
    Request,
    Response,
)
from protocol.payload import Format, decode, encode


class Peer:
    """A peer that keeps what it is sent, until it has gone."""

    format = Format.MSGPACK
    sender = "peer"

    def __init__(self) -> None:
        self.received: list[Response] = []
        self.gone = False
        self.unread: list[bool] = []  # of each tracked response, whether it still waits

    def send_tracked(self, response: Response) -> Gone:
        """See the router's Peer."""
        self.send(response)
        n = len(self.unread)
        self.unread.append(True)
        return lambda: not self.unread[n]

    def post(self, event: Published, _format: Format, /) -> None:
        """See the router's Peer."""
        raise AssertionError(f"nobody subscribed to {event.topic}")

    def send(self, response: Response) -> None:
        """See the router's Peer."""
        if self.gone:
            raise PeerGoneError("no route")
        self.received.append(response)


class Number(Struct, frozen=True):
    """A request with one key."""

    n: int


class Arithmetic:
    """A service that answers in every way there is."""

    def __init__(self, router: Router) -> None:
        self.router = router
        self.streams: list[Stream] = []
        self.closed = 0

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("math.value", Number, lambda _call, request: Number(request.n + 1)),
            Route("math.nothing", Number, lambda _call, _request: None),
            Route("math.future", Number, self.future),
            Route("math.coroutine", Number, self.coroutine),
            Route("math.refuse", Number, self.refuse),
            Route("math.fail", Number, self.fail),
            Route("math.owner", Number, lambda _call, _request: None, role=OWNER),
            Route("math.count", Number, self.count, streaming=True),
            cancel_route("math.count", self.router),
            Route("math.many", Number, self.many, streaming=None),
        ]

    def future(self, _call: Call, request: Number) -> "asyncio.Future[Value]":
        """A future of the answer."""
        future: asyncio.Future[Value] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, Number(request.n * 2))
        return future

    async def coroutine(self, _call: Call, request: Number) -> Value:
        """An answer that takes a turn of the loop."""
        await asyncio.sleep(0)
        if request.n < 0:
            raise RpcError(errno.ERANGE, "n is negative")
        return Number(request.n * 3)

    def refuse(self, _call: Call, _request: Number) -> None:
        """An expected failure."""
        raise RpcError(errno.EINVAL, "not this one")

    def fail(self, _call: Call, _request: Number) -> None:
        """A bug."""
        raise ZeroDivisionError("a bug")

    def count(self, stream: Stream, request: Number) -> None:
        """Send n numbers and stay open."""
        self.streams.append(stream)
        stream.on_close = self.close
        for n in range(request.n):
            stream.send(Number(n))

    def many(self, call: Call, request: Number) -> Coroutine[Any, Any, Value]:
        """All numbers at once, or a stream of them."""
        return (
            self.push(call, request.n)
            if isinstance(call, Stream)
            else self.coroutine(call, request)
        )

    async def push(self, stream: Stream, n: int) -> None:
        """Send numbers as fast as they are read."""
        self.streams.append(stream)
        flow = Flow(stream)
        for number in range(n):
            await flow.send(encode(Number(number)))
        stream.end()

    def close(self) -> None:
        """Note that a stream has ended."""
        self.closed += 1


class Bench:
    """A router with a service and a peer."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[None]] = []
        self.router = Router(self.spawn)
        self.service = Arithmetic(self.router)
        self.router.add(self.service)
        self.peer = Peer()

    def spawn(self, work: Coroutine[Any, Any, None]) -> object:
        """Run a coroutine."""
        self.tasks.append(asyncio.get_running_loop().create_task(work))
        return None

    def send(self, topic: str, keys: dict[str, Any] | None, **given: Any) -> None:  # noqa: ANN401
        """Dispatch a request."""
        fields: dict[str, Any] = {"cred": Cred(0, ROLE_OWNER), "matchtag": 3, "routes": (b"me",)}
        body = None if keys is None else encode(keys)
        self.router.dispatch(Request(topic, body, **(fields | given)), self.peer)

    async def ask(self, topic: str, keys: dict[str, Any] | None, **fields: Any) -> Response:  # noqa: ANN401
        """Dispatch a request and give its one answer."""
        self.send(topic, keys, **fields)
        for _ in range(5):
            await asyncio.sleep(0)
        (response,) = self.peer.received
        return response


@pytest.fixture
async def bench() -> Bench:
    """A router with a service and a peer."""
    return Bench()


@pytest.mark.parametrize(
    ("topic", "result"), [("math.value", 6), ("math.future", 10), ("math.coroutine", 15)]
)
async def test_a_handler_may_answer_now_or_later(bench: Bench, topic: str, result: int) -> None:
    """A value, a future, a coroutine."""
    response = await bench.ask(topic, {"n": 5})
    assert response.errnum == 0
    assert decode(response.payload) == {"n": result}
    assert (response.topic, response.matchtag, response.routes) == (topic, 3, (b"me",))


async def test_no_value_is_an_answer_without_payload(bench: Bench) -> None:
    """As flux_respond() with NULL."""
    response = await bench.ask("math.nothing", {"n": 1})
    assert (response.errnum, response.payload) == (0, None)


@pytest.mark.parametrize(
    ("topic", "keys", "errnum", "text"),
    [
        ("math.refuse", {"n": 1}, errno.EINVAL, "not this one"),
        ("math.coroutine", {"n": -1}, errno.ERANGE, "n is negative"),
        ("math.value", {}, errno.EPROTO, "n"),
        ("math.value", {"n": "1"}, errno.EPROTO, "n"),
        ("math.value", None, errno.EPROTO, "n"),
        ("math.nosuch", {}, errno.ENOSYS, "math.nosuch"),
        ("nosuch.value", {}, errno.ENOSYS, "nosuch.value"),
        ("math.count", {"n": 1}, errno.EPROTO, "streaming"),
        ("math.fail", {"n": 1}, errno.EIO, "internal error in math.fail"),
    ],
)
async def test_errors_are_answered_once_and_explained(
    bench: Bench, topic: str, keys: dict[str, Any], errnum: int, text: str
) -> None:
    """Design 3: errnum, and a text that names the thing."""
    response = await bench.ask(topic, keys)
    assert response.errnum == errnum
    assert text in response.error_text


async def test_a_bug_is_logged_with_its_traceback(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the peer is told nothing of it but where to look."""
    response = await bench.ask("math.fail", {"n": 1})
    assert "ZeroDivisionError" not in response.error_text
    said = capsys.readouterr()
    assert "ZeroDivisionError" in said.out + said.err


async def test_an_owners_topic_is_refused_to_others(bench: Bench) -> None:
    """RFC 12."""
    response = await bench.ask("math.owner", {"n": 1}, cred=Cred(5, ROLE_USER))
    assert response.errnum == errno.EPERM


@pytest.mark.parametrize("topic", ["math.value", "math.coroutine", "math.refuse", "math.nosuch"])
async def test_noresponse_is_honoured(bench: Bench, topic: str) -> None:
    """Neither answers nor errors."""
    bench.send(topic, {"n": 1}, flags=FLAG_NORESPONSE)
    await asyncio.gather(*bench.tasks)
    assert bench.peer.received == []


async def test_a_stream_ends_with_ENODATA_on_cancel(bench: Bench) -> None:  # noqa: N802
    """And whoever feeds it is told."""
    bench.send("math.count", {"n": 2}, flags=FLAG_STREAMING)
    bench.send("math.count-cancel", {"matchtag": 3}, matchtag=4, flags=FLAG_NORESPONSE)
    assert [response.errnum for response in bench.peer.received] == [0, 0, errno.ENODATA]
    assert bench.service.closed == 1
    bench.service.streams[0].send(Number(9))
    assert len(bench.peer.received) == 3


async def test_a_peer_that_has_gone_loses_its_streams(bench: Bench) -> None:
    """EHOSTUNREACH on one message releases all it waited for."""
    for matchtag in (1, 2):
        bench.send("math.count", {"n": 0}, flags=FLAG_STREAMING, matchtag=matchtag)
    bench.peer.gone = True
    bench.service.streams[0].send(Number(1))
    assert bench.service.closed == 2
    assert bench.router.streams == 0


async def test_a_disconnect_releases_streams(bench: Bench) -> None:
    """A client that closes says so."""
    bench.send("math.count", {"n": 0}, flags=FLAG_STREAMING)
    bench.send("disconnect", None, flags=FLAG_NORESPONSE)
    assert bench.service.closed == 1


async def test_a_matchtag_is_used_once_at_a_time(bench: Bench) -> None:
    """A second stream with the matchtag of the first is refused."""
    bench.send("math.count", {"n": 0}, flags=FLAG_STREAMING)
    bench.send("math.count", {"n": 0}, flags=FLAG_STREAMING)
    assert [response.errnum for response in bench.peer.received] == [errno.EPROTO]
    assert bench.router.streams == 1


async def test_a_route_may_answer_once_or_stream(bench: Bench) -> None:
    """The request's flag says which."""
    response = await bench.ask("math.many", {"n": 2})
    assert decode(response.payload) == {"n": 6}
    bench.peer.received.clear()
    bench.send("math.many", {"n": 2}, flags=FLAG_STREAMING)
    await asyncio.gather(*bench.tasks)
    assert [response.errnum for response in bench.peer.received] == [0, 0, errno.ENODATA]


async def test_a_stream_is_pushed_no_faster_than_it_is_read(bench: Bench) -> None:
    """A few values wait in memory; the next one is made when the first of them has gone."""
    bench.send("math.many", {"n": 9}, flags=FLAG_STREAMING)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(bench.peer.received) == AHEAD_MAX
    while not bench.tasks[0].done():
        bench.peer.unread = [False] * len(bench.peer.unread)
        await asyncio.sleep(0)
    assert [response.errnum for response in bench.peer.received] == [0] * 9 + [errno.ENODATA]


@pytest.mark.parametrize("how", ["gone", "disconnect"])
async def test_a_push_ends_with_its_peer(bench: Bench, how: str) -> None:
    """However it leaves, nothing goes on waiting for it."""
    bench.send("math.many", {"n": 9}, flags=FLAG_STREAMING)
    await asyncio.sleep(0)
    if how == "gone":
        bench.peer.gone = True
        bench.peer.unread = [False] * len(bench.peer.unread)
    else:
        bench.router.disconnect(bench.peer)
    await bench.tasks[0]
    assert len(bench.peer.received) == AHEAD_MAX
    assert bench.router.streams == 0


async def test_whoever_asks_is_told_of_a_peer_that_has_gone(bench: Bench) -> None:
    """So that what it waits for elsewhere is released."""
    told: list[object] = []
    bench.router.on_disconnect(told.append)
    bench.send("disconnect", None, flags=FLAG_NORESPONSE)
    assert told == [bench.peer]


async def test_stopping_ends_all_streams(bench: Bench) -> None:
    """With a text that says why."""
    bench.send("math.count", {"n": 0}, flags=FLAG_STREAMING)
    bench.router.end_streams()
    assert bench.peer.received[-1].error_text == "the daemon is stopping"


def test_a_topic_cannot_be_registered_twice() -> None:
    """A table has one row for each topic."""
    router = Router(lambda _work: None)
    router.add(Arithmetic(router))
    with pytest.raises(ValueError, match="registered twice"):
        router.add(Arithmetic(router))
