"""The unix stream socket of Flux's `local://` connector: flux's own tools come in here.

A client is told by a greeting byte whether it is let in (protocol/stream.py), is whoever the
kernel says it is (SO_PEERCRED), and then sends and receives messages as the ROUTER's peers do:
see local_peer.py.
"""

import asyncio
import errno
import os
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from struct import Struct
from typing import Any, Final

import structlog

from jobmgrd.access import Access
from jobmgrd.call import Call, Empty
from jobmgrd.limits import Guard
from jobmgrd.routes import OWNER, Route
from jobmgrd.transport.local_peer import LocalPeer
from jobmgrd.turns import Turns
from protocol.message import Cred, Request

log = structlog.get_logger()

BACKLOG: Final = 1024
CLIENTS_MAX: Final = 4096
"""Fewer if the process may not have so many files open: see `_room`."""
GUEST_SHARE: Final = 4
"""A guest may have one in so many of the connections that there may be."""
OWNER_SHARE: Final = 8
"""One in so many is left to the owner by all guests together."""
GUEST_WAITING: Final = 256 * 2**20
GUEST_WAITING_MIN: Final = 4 * 2**20
"""Bytes that the connections of a guest may leave unread: each has a share, if there are many."""
FILES_RESERVED: Final = 128
"""What the daemon itself needs of its files: more clients than leave these are turned away."""
FLUSH: Final = 0.2
"""Seconds that clients have to take their last responses when the daemon stops, like LINGER."""

_UCRED: Final = Struct("=iII")


class UnixLocal:
    """Listens at a path, and feeds `receive`.

    Args:
        path: of the socket; the directory is the caller's own, and nobody else uses this path.
        access: who may connect.
        receive: takes every request.
        lost: is told of every client that has gone.
        guard: has the size that a request may have, and counts who asks with more.
        turns: are those of all sockets of the daemon.
    """

    def __init__(
        self,
        path: Path,
        access: Access,
        receive: Callable[[Request, LocalPeer], None],
        lost: Callable[[LocalPeer], None],
        *,
        guard: Guard,
        turns: Turns,
    ) -> None:
        self._path = path
        self._access = access
        self._lost = lost
        self._server: asyncio.Server | None = None
        self._clients: set[LocalPeer] = set()
        self._guests: Counter[int] = Counter()  # clients that are no owner's, by user
        self._emptied = asyncio.Event()
        self.receive = receive
        self.guard = guard
        self.turns = turns
        self.max_message_size = guard.limits.message_size
        self.connects = self.malformed = self.refused = 0

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._clients)

    def routes(self) -> Iterable[Route]:
        """See Service: the connector's own topic, as the broker's connector-local module has it."""
        return [Route("connector-local.stats-get", Empty, self.stats, role=OWNER)]

    def stats(self, _call: Call, _request: Empty) -> Mapping[str, Any]:
        """The clients, and how many were there, were refused, or did not speak the protocol."""
        clients = [client.stats() for client in self._clients]
        return {
            "server": {"clients": clients, "connects": self.connects},
            "refused": self.refused,
            "malformed": self.malformed,
        }

    async def open(self) -> None:
        """Bind, and begin to listen.

        Raises:
            OSError: the path is too long, or cannot be bound.
        """
        self._path.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind(str(self._path))
            self._path.chmod(0o777)  # who may pass is decided by the directory, and by `access`
            self._server = await asyncio.get_running_loop().create_unix_server(
                lambda: LocalPeer(self), sock=sock, backlog=BACKLOG
            )
        except BaseException:
            sock.close()
            raise

    async def close(self) -> None:
        """Let nobody in, and give the clients a moment to take what was sent."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        self._path.unlink(missing_ok=True)
        for client in list(self._clients):
            client.close()
        if self._clients:
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH):
                    await self._emptied.wait()
        for client in list(self._clients):
            client.abort()

    def admit(self, client: LocalPeer, sock: socket.socket) -> int:
        """Let a client in as the user that the kernel says it is; the errno if it is not let in."""
        raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        pid, userid, _gid = _UCRED.unpack(raw)
        cred = self._access.admit(userid)
        refusal = errno.EPERM if cred is None else 0 if self._room(cred) else errno.EMFILE
        if cred is None or refusal:
            self.refused += 1
            log.warning("local.refused", userid=userid, pid=pid, reason=os.strerror(refusal))
            return refusal
        client.cred, client.pid, client.userid = cred, pid, userid
        self.connects += 1
        if not cred.is_owner:
            self._guests[cred.userid] += 1
            share = GUEST_WAITING // self._guests[cred.userid]
            client.waiting_max = max(GUEST_WAITING_MIN, min(client.waiting_max, share))
        self._clients.add(client)
        return 0

    def lose(self, client: LocalPeer) -> None:
        """Forget a client whose connection has ended."""
        if client in self._clients:
            self._clients.discard(client)
            self._guests[client.cred.userid] -= not client.cred.is_owner
            self._guests += Counter()  # without those who have gone
            self._lost(client)
            if not self._clients:
                self._emptied.set()

    def look_again(self) -> None:
        """Let clients go that would not be let in now, or not as whom they were."""
        for client in list(self._clients):
            if self._access.admit(client.userid) != client.cred:
                log.info("local.revoked", userid=client.userid, pid=client.pid)
                client.abort()

    def _room(self, cred: Cred) -> bool:
        files = os.sysconf("SC_OPEN_MAX") - FILES_RESERVED
        room = CLIENTS_MAX if files < 0 else min(CLIENTS_MAX, files)
        if cred.is_owner:
            return len(self._clients) < room
        guests = self._guests.total() < room - room // OWNER_SHARE
        return guests and self._guests[cred.userid] < room // GUEST_SHARE
