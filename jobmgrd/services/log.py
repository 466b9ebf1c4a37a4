"""log: the last lines of the daemon's log, and lines of clients among them (broker/log.c)."""

import errno
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from jobmgrd.call import Call, Empty, Stream
from jobmgrd.log_ring import LogRing
from jobmgrd.router import Router, cancel_route
from jobmgrd.routes import OWNER, Route
from protocol.errors import RpcError

_OPENS: Final = ord("<")


class DmesgRequest(Struct, frozen=True):
    """log.dmesg: whether to go on with what is logged later, and to leave out what was before."""

    follow: bool
    nobacklog: bool = False


class Log:
    """Payloads are lines, not JSON: RFC 5424 text that ends in NUL."""

    def __init__(self, ring: LogRing, router: Router) -> None:
        self._ring = ring
        self._router = router

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("log.append", bytes, self.append, role=OWNER),
            Route("log.clear", Empty, self.clear, role=OWNER),
            Route("log.dmesg", DmesgRequest, self.dmesg, role=OWNER, streaming=True),
            cancel_route("log.dmesg", self._router),
        ]

    def append(self, call: Call, line: bytes) -> None:
        """Keep a client's line; a request without a matchtag is not answered."""
        line = line.rstrip(b"\0\r\n ")
        if not line or line[0] != _OPENS:
            raise RpcError(errno.EPROTO, "log line does not begin with <PRI>")
        self._ring.add(line)
        if not call.matchtag:
            call.ignore()

    def clear(self, _call: Call, _request: Empty) -> None:
        """Forget what was logged."""
        self._ring.clear()

    def dmesg(self, stream: Stream, request: DmesgRequest) -> None:
        """The lines that are kept, and those that follow if they are asked for."""

        def show(line: bytes) -> None:
            stream.send_encoded(line + b"\0")

        for line in () if request.nobacklog else self._ring.lines:
            show(line)
        if not request.follow:
            stream.end()
            return
        stream.on_close = lambda: self._ring.unlisten(stream)
        self._ring.listen(stream, show)
