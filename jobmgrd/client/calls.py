"""RPCs under way, without I/O: requests out, responses to whoever awaits them.

Both clients are thin shells around this. A shell sends the frames that it is given, feeds
`receive` with the frames that arrive, and hands in a callback per call that puts the outcome
where the shell waits for it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypeVar, overload

from msgspec import Struct

from jobmgrd.client.errors import ConnectionLostError
from protocol.errors import ENODATA, MessageError, RpcError
from protocol.message import FLAG_NORESPONSE, FLAG_STREAMING, Request, Response, decode
from protocol.payload import convert, decode_answer, encode

MATCHTAG_MAX: Final = 0xFFFFFFFF

EMPTY: Final = encode({})
"""The payload of a request that has none: over the local connector, where flux's tools ask in
JSON, what is sent decides the format of the answer."""

T = TypeVar("T")

Payload: TypeAlias = Mapping[str, Any] | Struct | None
Outcome: TypeAlias = Response | ConnectionLostError
Deliver: TypeAlias = Callable[[Outcome], object]


class Calls:
    """The calls of one connection, by matchtag."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[Deliver, bool]] = {}
        self._last = 0

    def __len__(self) -> int:
        return len(self._open)

    def open(
        self, topic: str, payload: Payload, deliver: Deliver, *, streaming: bool = False
    ) -> tuple[int, list[bytes]]:
        """Begin a call: its matchtag, and the frames to send.

        `deliver` is called once, or, when streaming, until it was given an error.

        Raises:
            TypeError, ValueError: the payload cannot be encoded.
        """
        flags = FLAG_STREAMING if streaming else 0
        matchtag = self._next_matchtag()
        body = EMPTY if payload is None else encode(payload)
        frames = Request(topic, body, matchtag=matchtag, flags=flags).frames()
        self._open[matchtag] = (deliver, streaming)
        return matchtag, frames

    def receive(self, frames: Sequence[bytes]) -> None:
        """Deliver a response; what is none, or answers no open call, is ignored.

        Answers to calls given up are regular: the daemon cannot know that nobody waits.
        """
        try:
            response = decode(frames)
        except MessageError:
            return
        if not isinstance(response, Response) or response.matchtag not in self._open:
            return
        deliver, streaming = self._open[response.matchtag]
        if response.errnum or not streaming:
            del self._open[response.matchtag]
        deliver(response)

    def close(self, matchtag: int) -> bool:
        """Give a call up. Returns whether it was still open."""
        return self._open.pop(matchtag, None) is not None

    def fail(self, error: ConnectionLostError) -> None:
        """End all open calls: no answer to them can arrive any more."""
        calls, self._open = self._open, {}
        for deliver, _ in calls.values():
            deliver(type(error)(str(error)))  # each is raised elsewhere

    def _next_matchtag(self) -> int:
        self._last = self._last % MATCHTAG_MAX + 1
        while self._last in self._open:
            self._last = self._last % MATCHTAG_MAX + 1
        return self._last


def notice(topic: str, payload: Payload = None) -> list[bytes]:
    """The frames of a request that wants no response."""
    body = None if payload is None else encode(payload)
    return Request(topic, body, flags=FLAG_NORESPONSE).frames()


def cancel(topic: str, matchtag: int) -> list[bytes]:
    """The frames that end a streaming call early: the service's own cancel request."""
    return notice(f"{topic}-cancel", {"matchtag": matchtag})


def checked(outcome: Outcome) -> Response:
    """The outcome, if it is a success.

    Raises:
        RpcError: the daemon refused.
        ConnectionLostError: it went away.
    """
    if isinstance(outcome, ConnectionLostError):
        raise outcome
    if outcome.errnum:
        raise RpcError(outcome.errnum, outcome.error_text)
    return outcome


def is_end(outcome: Outcome) -> bool:
    """Whether a streaming call has ended regularly."""
    return isinstance(outcome, Response) and outcome.errnum == ENODATA


@overload
def value(response: Response, reply: None) -> dict[str, Any]: ...
@overload
def value(response: Response, reply: type[T]) -> T: ...
def value(response: Response, reply: type[T] | None) -> T | dict[str, Any]:
    """What a response says: as the type asked for, or as a dict.

    Raises:
        PayloadError: it does not decode as that.
    """
    answer = decode_answer(response.payload)
    return answer if reply is None else convert(answer, reply)
