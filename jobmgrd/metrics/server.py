"""A small HTTP server for one page: GET /metrics, as Prometheus asks for it.

It serves loopback or a unix socket and knows no more of HTTP/1.1 than that takes: each connection
has one request, of bounded size and within bounded time, and is closed after its answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, NamedTuple

import structlog

log = structlog.get_logger()

PATH: Final = "/metrics"
UNIX: Final = "unix:"
CONNECTIONS_MAX: Final = 16
HEAD_MAX: Final = 8192
"""Bytes of a request line and its headers."""
SECONDS_MAX: Final = 10.0
"""For a client to send its request, and to read the answer."""

_TEXT: Final = "text/plain; charset=utf-8"


class Page(NamedTuple):
    """What is answered."""

    status: str
    body: bytes
    content_type: str = _TEXT
    headers: str = ""


class MetricsServer:
    """Serves what `render` gives: a content type and a body."""

    def __init__(
        self,
        bind: str,
        render: Callable[[], Awaitable[tuple[str, bytes]]],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._bind = bind
        self._render = render
        self._spawn = spawn
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Begin to listen.

        Raises:
            OSError: the address is taken, or the path cannot be used.
        """
        if self._bind.startswith(UNIX):
            path = self._bind.removeprefix(UNIX)
            self._server = await asyncio.start_unix_server(self._accept, path, limit=HEAD_MAX)
        else:
            host, _, port = self._bind.rpartition(":")
            host = host.strip("[]")
            self._server = await asyncio.start_server(self._accept, host, port, limit=HEAD_MAX)

    def close(self) -> None:
        """Listen no more, and drop who is connected."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._writers) >= CONNECTIONS_MAX:
            writer.close()
            return
        self._writers.add(writer)
        self._spawn(self._serve(reader, writer))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(SECONDS_MAX):
                head = await reader.readuntil(b"\r\n\r\n")
                page, with_body = await self._answer(head)
                writer.write(_encoded(page, with_body=with_body))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # it went away, is too slow, or speaks something else
        finally:
            self._writers.discard(writer)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, head: bytes) -> tuple[Page, bool]:
        """The page that a request is answered with, and whether its body goes along."""
        method, _, rest = head.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")
        target, _, version = rest.partition(" ")
        if not version.startswith("HTTP/1."):
            return Page("400 Bad Request", b"expected HTTP/1.1\n"), True
        if method not in {"GET", "HEAD"}:
            allow = "Allow: GET, HEAD\r\n"
            return Page("405 Method Not Allowed", b"only GET is served\n", headers=allow), True
        if target.partition("?")[0] != PATH:
            return Page("404 Not Found", b"see /metrics\n"), method == "GET"
        try:
            content_type, body = await self._render()
        except Exception as error:
            log.error("metrics.failed", exc_info=error)
            text = b"see the daemon's log\n"
            return Page("500 Internal Server Error", text), method == "GET"
        return Page("200 OK", body, content_type), method == "GET"


def _encoded(page: Page, *, with_body: bool) -> bytes:
    head = (
        f"HTTP/1.1 {page.status}\r\nContent-Type: {page.content_type}\r\n{page.headers}"
        f"Content-Length: {len(page.body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (page.body if with_body else b"")
