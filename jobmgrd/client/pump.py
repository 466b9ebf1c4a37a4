"""Feeds an asyncio program from a link; jobmgrd/drain.py explains how its socket is read."""

import asyncio
from collections.abc import Callable, Sequence

from jobmgrd.client.link import Link
from jobmgrd.drain import Drain


class Pump:
    """Reads a link until it breaks or is closed.

    Args:
        link: the pump owns it from now on.
        receive: called with the frames of every message.
        lost: called once with the reason if the link breaks, after the last message; the link is
            closed then.
    """

    def __init__(
        self, link: Link, receive: Callable[[Sequence[bytes]], None], lost: Callable[[str], None]
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
        """Queue a message; never blocks."""
        self._link.send(frames)
        self._drain.soon()

    def soon(self) -> None:
        """Read at the end of this tick: to be called after a send on the link itself."""
        self._drain.soon()

    def close(self) -> None:
        """Stop reading and close the link. Idempotent."""
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
            self._lost(self._link.reason)
