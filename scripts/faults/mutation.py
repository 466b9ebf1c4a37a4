"""Messages that are nearly right: what dice make of good requests."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgpack

from protocol.message import (
    FLAG_NORESPONSE,
    FLAG_STREAMING,
    ROLE_USER,
    UNKNOWN,
    Cred,
    Request,
)
from protocol.payload import Format, encode
from scripts.faults.requests import STREAMS, Asked
from scripts.faults.values import wrong

Frames = list[bytes]

BITS: Final = 8
GUEST: Final = Cred(12345, ROLE_USER)
"""Whom some claim to be; the owner may lower itself to that on the local connector."""


class Mutator:
    """Makes one nearly right message after another of `requests`, which may be replaced."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self.requests: Sequence[Asked] = [("broker.ping", {})]
        self._changes: Sequence[Callable[[Frames], Frames]] = (
            self._flip, self._flip, self._cut, self._insert, self._splice, self._frames,
        )  # fmt: skip
        self._last: Frames = [b""]

    def next(self) -> Frames:
        """A message; half of them are wrong in their values alone, half in their bytes, too."""
        topic, value = self._dice.choice(self.requests)
        if self._dice.random() < 0.03:  # noqa: PLR2004 - a few of them
            _, value = self._dice.choice(self.requests)
        while self._dice.random() < 0.5:  # noqa: PLR2004 - half of them
            value = wrong(self._dice, value)
        frames = Request(
            topic,
            self._encoded(value),
            cred=GUEST if self._dice.random() < 0.1 else UNKNOWN,  # noqa: PLR2004 - some of them
            matchtag=self._dice.randrange(50),
            flags=self._flags(topic),
        ).frames()
        if self._dice.random() < 0.5:  # noqa: PLR2004 - half of them
            for _ in range(self._dice.randrange(1, 4)):
                frames = self._dice.choice(self._changes)(frames)
        self._last = frames
        return frames

    def _encoded(self, value: Mapping[str, Any] | bytes) -> bytes:
        if isinstance(value, bytes):
            return value
        if self._dice.random() < 0.5:  # noqa: PLR2004 - half of them
            try:
                return encode(value, Format.JSON)
            except (TypeError, ValueError):
                pass
        return bytes(msgpack.packb(value))

    def _flags(self, topic: str) -> int:
        flags = FLAG_STREAMING if topic in STREAMS else 0
        chance = self._dice.random()
        if chance < 0.05:  # noqa: PLR2004 - a few of them
            return flags ^ FLAG_STREAMING
        return flags | FLAG_NORESPONSE if chance < 0.1 else flags  # noqa: PLR2004 - as above

    def _flip(self, frames: Frames) -> Frames:
        """Turn a bit over."""
        n = self._dice.randrange(len(frames))
        if not frames[n]:
            return frames
        data = bytearray(frames[n])
        data[self._dice.randrange(len(data))] ^= 1 << self._dice.randrange(BITS)
        return [*frames[:n], bytes(data), *frames[n + 1 :]]

    def _cut(self, frames: Frames) -> Frames:
        n = self._dice.randrange(len(frames))
        end = self._dice.randrange(len(frames[n]) + 1)
        return [*frames[:n], frames[n][:end], *frames[n + 1 :]]

    def _insert(self, frames: Frames) -> Frames:
        n = self._dice.randrange(len(frames))
        at = self._dice.randrange(len(frames[n]) + 1)
        junk = self._dice.randbytes(self._dice.choice((1, 2, 20, 300)))
        return [*frames[:n], frames[n][:at] + junk + frames[n][at:], *frames[n + 1 :]]

    def _splice(self, frames: Frames) -> Frames:
        """The beginning of this one, and the end of the one before."""
        return [
            *frames[: self._dice.randrange(1, len(frames) + 1)],
            *self._last[self._dice.randrange(len(self._last)) :],
        ]

    def _frames(self, frames: Frames) -> Frames:
        """A frame less, twice, or elsewhere."""
        n = self._dice.randrange(len(frames))
        less = [*frames[:n], *frames[n + 1 :]]
        if self._dice.random() < 0.5:  # noqa: PLR2004 - half of them
            return less or frames
        at = self._dice.randrange(len(frames) + 1)
        return [*frames[:at], frames[n], *frames[at:]]
