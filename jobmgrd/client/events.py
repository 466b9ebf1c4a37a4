"""Published events, without I/O: what to subscribe to, when that is in effect, what came.

A ZeroMQ subscription travels to the publisher like a message and takes effect when it gets there;
events published before are not seen, and nothing says when that was. So a subscriber subscribes
last of all to a topic that it alone knows, READY + token. The publisher, an XPUB socket, reads
that subscription after all earlier ones of the same connection took effect, and publishes an
event of that topic without payload, whose sequence is that of the last regular event. It counts
as no event: those of other subscribers reach whoever subscribes to everything, and are dropped.

On a connection of its own, over the local connector and over tcp, event.subscribe has the events
sent among the responses, and its answer says that it is in effect. Nothing is lost there without
the connection: a daemon that cannot keep what a subscriber leaves unread gives it up.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from protocol import message
from protocol.errors import MessageError, RpcError
from protocol.events import READY
from protocol.payload import decode_answer, encode

SUBSCRIBE: Final = "event.subscribe"
_SEQUENCES: Final = 1 << 32


class Event(Struct, frozen=True):
    """A published event.

    `sequence` counts all events of the daemon. `missed` is how many a SUB socket lost just before
    this one; it is known to subscribers of everything only, and 0 for others.
    """

    topic: str
    payload: Mapping[str, Any]
    sequence: int
    missed: int = 0


class Feed:
    """One subscriber's view of the events: `topics` are prefixes, none at all means everything."""

    def __init__(self, topics: Sequence[str]) -> None:
        self._token = READY + os.urandom(8).hex()
        self._everything = not topics or "" in topics
        self._sequence: int | None = None
        self.prefixes = [topic.encode() for topic in (*(topics or ("",)), self._token)]
        """What to subscribe to, in this order, on a socket that is connected already."""
        self.requests = [
            message.Request(SUBSCRIBE, encode({"topic": topic}), matchtag=n).frames()
            for n, topic in enumerate(topics or ("",), start=1)
        ]
        """The same, as requests to the RPC socket; the answer to the last says that all hold."""
        self.ready = False
        self.refusal: RpcError | None = None

    @property
    def settled(self) -> bool:
        """Whether the subscription is in effect.

        Raises:
            RpcError: it was refused.
        """
        if self.refusal is not None:
            raise self.refusal
        return self.ready

    def receive(self, frames: Sequence[bytes]) -> Event | None:
        """The event that these frames are; None if they are none for the subscriber.

        Raises:
            PayloadError: the event's payload does not decode.
        """
        try:
            event = message.decode(frames)
        except MessageError:
            return None
        if isinstance(event, message.Response):
            self._answered(event)
        if not isinstance(event, message.Event):
            return None
        if event.topic.startswith(READY):
            self._confirm(event)
            return None
        missed = self._missed(event.sequence)
        return Event(event.topic, decode_answer(event.payload), event.sequence, missed)

    def _answered(self, response: message.Response) -> None:
        if response.errnum and response.topic == SUBSCRIBE:
            self.refusal = RpcError(response.errnum, response.error_text)
        elif response.matchtag == len(self.requests):
            self.ready = True

    def _confirm(self, event: message.Event) -> None:
        if event.topic == self._token:
            self.ready = True
            if self._sequence is None:
                self._sequence = event.sequence

    def _missed(self, sequence: int) -> int:
        if self._sequence is None or not self._everything:
            return 0
        last, self._sequence = self._sequence, sequence
        return (sequence - last - 1) % _SEQUENCES
