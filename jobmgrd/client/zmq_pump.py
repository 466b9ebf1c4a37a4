"""Feeds an asyncio program from a ZeroMQ link; jobmgrd/drain.py explains how its socket is read."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from jobmgrd.client.errors import ConnectionLostError
from jobmgrd.drain import Drain

if TYPE_CHECKING:
    from jobmgrd.client.zmq_link import ZmqLink


class ZmqPump:
    """Reads a link until it breaks or is closed; it owns the link from now on. See Link.pump."""

    def __init__(
        self,
        link: "ZmqLink",
        receive: Callable[[Sequence[bytes]], None],
        lost: Callable[[ConnectionLostError], None],
    ) -> None:
        self._link = link
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._monitor = link.monitor.fileno()
        self._closed = False
        self._drain = Drain(link.socket, receive, self._emptied)
        self._loop.add_reader(self._monitor, self._watch)
        link.look()
        self._drain.open()

    def send(self, frames: Sequence[bytes]) -> None:
        """See Pump."""
        self._link.send(frames)
        self._drain.soon()

    def close(self) -> None:
        """See Pump."""
        if not self._closed:
            self._closed = True
            self._drain.close()
            self._loop.remove_reader(self._monitor)
            self._link.close()

    def _watch(self) -> None:
        if self._link.look():
            self._drain.soon()  # what came before the end is taken first

    def _emptied(self) -> None:
        if self._link.broken:
            self.close()
            self._lost(self._link.error)
