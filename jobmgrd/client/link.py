"""One connection to the daemon, however it is made: what both clients need of it.

There are two ways in. The local connector is a unix socket between the two processes and nothing
else (local_link.py); ZeroMQ reaches other hosts as well (zmq_link.py), and is imported only if it
is used. Either way a connection that breaks is noticed, what was under way fails, the link is given
up, and the next use makes a new one; so no request reaches a daemon after its caller was told that
it failed.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from jobmgrd.client import probe
from jobmgrd.client.errors import ConnectionLostError, NoDaemonError
from jobmgrd.client.events import Feed
from jobmgrd.client.local_link import LocalLink
from jobmgrd.client.uri import LOCAL, Endpoints


class Pump(Protocol):
    """A link that feeds an asyncio program."""

    def send(self, frames: Sequence[bytes]) -> None:
        """Queue a message; never blocks."""

    def close(self) -> None:
        """Stop reading and close the link. Idempotent."""


class Link(Protocol):
    """A connection that is read only within `turn`, unless it is handed over to a pump."""

    error: ConnectionLostError
    """Why it is broken, if it is."""

    def send(self, frames: Sequence[bytes]) -> None:
        """Queue a message; never blocks."""

    def look(self) -> bool:
        """Find out whether it is broken; messages that came before can still be taken."""

    def turn(self, receive: Callable[[list[bytes]], object], timeout: float) -> bool:
        """Block until messages are there, the link breaks or seconds pass; take the messages.

        Returns:
            whether the link still holds; if not, all messages were taken.
        """

    def pump(
        self,
        receive: Callable[[Sequence[bytes]], None],
        lost: Callable[[ConnectionLostError], None],
    ) -> Pump:
        """Have the running loop read it from now on.

        Args:
            receive: called with the frames of every message.
            lost: called once with the error if the link breaks, after the last message; the link
                is closed then.
        """

    def close(self) -> None:
        """Close it; the daemon drops what it holds for this client."""


def connect(endpoints: Endpoints) -> Link:
    """A link for RPCs.

    Raises:
        NoDaemonError: nobody listens there.
    """
    if (link := _local(endpoints)) is not None:
        return link
    probe.listening(endpoints.rpc)
    from jobmgrd.client import zmq_link  # noqa: PLC0415 - who is local needs no ZeroMQ

    return zmq_link.dealer(endpoints)


def subscribe(endpoints: Endpoints, feed: Feed) -> Link:
    """A link on which the events that a feed wants have been asked for.

    Raises:
        NoDaemonError: nobody listens there.
    """
    link: Link | None = _local(endpoints)
    if link is None and endpoints.events is not None:
        probe.listening(endpoints.events)
        from jobmgrd.client import zmq_link  # noqa: PLC0415 - who is local needs no ZeroMQ

        return zmq_link.subscriber(endpoints, feed.prefixes)
    link = link or connect(endpoints)
    for frames in feed.requests:
        link.send(frames)
    return link


def _local(endpoints: Endpoints) -> LocalLink | None:
    """A link over the local connector, if that is the way in; None to go by ZeroMQ."""
    if endpoints.rpc.startswith(LOCAL):
        return LocalLink(endpoints.rpc)
    if endpoints.local is None:
        return None
    try:
        return LocalLink(endpoints.local)
    except NoDaemonError:  # a daemon without it, or none: then ZeroMQ's endpoint is named
        return None
