"""ZAP: asked by ZeroMQ, for every connection over CURVE, whether to let its key in (RFC 27).

It is one socket of the context that the CURVE sockets are made of, read by the event loop as all
others are, without a thread. A key that is let in is the connection's User-Id from then on, which
no message can change.
"""

from collections.abc import Callable
from typing import Final

import zmq
from zmq.utils import z85

from jobmgrd import multipart
from jobmgrd.drain import Drain
from jobmgrd.transport.refusals import Refusals

ENDPOINT: Final = "inproc://zeromq.zap.01"
VERSION: Final = b"1.0"
FRAMES: Final = 7  # version, request id, domain, address, routing id, mechanism, key


class Zap:
    """Answers by `admit`, which is given a domain and a public key in Z85."""

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        admit: Callable[[str, str], bool],
        refusals: Refusals,
    ) -> None:
        self._admit = admit
        self._refusals = refusals
        self._socket = context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(ENDPOINT)
        self._drain = Drain(self._socket, self._take)

    def open(self) -> None:
        """Begin to answer."""
        self._drain.open()

    def close(self) -> None:
        """Answer no more: nobody else is let in."""
        self._drain.close()
        self._socket.close()

    def _take(self, frames: list[bytes]) -> None:
        delimiter = frames.index(b"") if b"" in frames else -1
        head, body = frames[: delimiter + 1], frames[delimiter + 1 :]
        if len(body) != FRAMES or body[0] != VERSION:
            return  # not ZeroMQ: it asks for CURVE alone, and with one key
        _version, request, domain, address, _routing, mechanism, credentials = body
        key = z85.encode(credentials).decode() if mechanism == b"CURVE" else ""
        admitted = bool(key) and self._admit(domain.decode(), key)
        if not admitted:
            self._refusals.note(domain.decode(), address.decode(errors="replace"), key=key)
        verdict = (b"200", b"OK", key.encode()) if admitted else (b"400", b"unknown key", b"")
        status, text, user = verdict
        multipart.send(self._socket, [*head, VERSION, request, status, text, user, b""])
        self._drain.soon()
