"""Job ids: FLUIDs (RFC 19), their spellings, and the generator that never gives one twice.

A FLUID is 64 bits, so that ids sort by the time they were made:

    | 40 timestamp, ms since an epoch of the maker's | 14 generator | 10 sequence |
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias

from protocol.errors import FormatError

Spelling: TypeAlias = Literal["dec", "hex", "kvs", "dothex", "f58", "f58plain", "words", "emoji"]

MAX: Final = 2**64 - 1
"""The largest FLUID; flux-core uses it for "any job"."""

GENERATORS: Final = 1 << 14

_SEQUENCES: Final = 1 << 10
_TIMESTAMP_SHIFT: Final = 24
_GENERATOR_SHIFT: Final = 10
_TIMESTAMPS: Final = 1 << 40

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGIT: Final = {letter: value for value, letter in enumerate(_ALPHABET)}
_SPELLED: Final = re.compile(
    r"(?P<dothex>[0-9a-fA-F]{1,4}(?:\.[0-9a-fA-F]{1,4}){3})"
    rf"|[ƒf](?P<f58>[{_ALPHABET}]{{1,12}})"
    r"|0x(?P<hex>[0-9a-fA-F]{1,16})"
    r"|(?P<dec>[0-9]{1,20})"
)
_WORDS: Final = re.compile(r"[A-Za-z]{2,7}-[A-Za-z-]{9,60}")
_EMOJI: Final = re.compile("[\U0001f000-\U0001ffff]{1,7}")


def parse(text: str) -> int:
    """Read an id in any spelling; white space around it is ignored.

    A leading `job.`, as in the KVS, is ignored too (flux-core libjob/id.c).

    Raises:
        FormatError: it is no id, or more than 64 bits; the text names it.
    """
    bare = text.strip().removeprefix("job.")
    id = _value(found) if (found := _SPELLED.fullmatch(bare)) else _spoken(bare)
    if id is not None and id <= MAX:
        return id
    raise FormatError(f"invalid jobid {text[:64]!r}")


def encode(id: int, spelling: Spelling = "f58") -> str:
    """Spell an id as `flux job id --to=SPELLING` does.

    Raises:
        FormatError: the number is not one of 64 bits.
    """
    if not 0 <= id <= MAX:
        raise FormatError(f"invalid jobid {id}")
    return _SPELL[spelling](id)


def timestamp(id: int) -> int:
    """The time in an id: milliseconds since its generator's epoch."""
    return id >> _TIMESTAMP_SHIFT


def later(id: int, ms: int) -> int:
    """An id that is greater than all that the maker of `id` makes within `ms` milliseconds."""
    return id + ((ms + 1) << _TIMESTAMP_SHIFT)


class Generator:
    """Makes ids, each greater than all before it and than `after`, whatever the clock does.

    The clock only pulls the timestamp forward. When it stands still or goes back, ids count on
    from the last one, and 1024 ids later the timestamp moves on by itself: flux-core waits
    for the clock there, which a function without a clock cannot and need not do.
    """

    def __init__(self, after: int = 0, generator_id: int = 0) -> None:
        if not 0 <= generator_id < GENERATORS:
            raise ValueError(f"generator id {generator_id} is not one of {GENERATORS}")
        self._generator = generator_id << _GENERATOR_SHIFT
        # Another generator may have made `after`, so the rest of its millisecond is not ours.
        self._ms = timestamp(after)
        self._sequence = _SEQUENCES - 1

    def next(self, ms: int) -> int:
        """The next id, at `ms` milliseconds since the epoch of this generator's owner.

        Raises:
            OverflowError: 40 bits of milliseconds, 34 years, are used up.
        """
        if ms > self._ms:
            self._move(ms)
        elif self._sequence == _SEQUENCES - 1:
            self._move(self._ms + 1)
        else:
            self._sequence += 1
        return self._ms << _TIMESTAMP_SHIFT | self._generator | self._sequence

    def _move(self, ms: int) -> None:
        if ms >= _TIMESTAMPS:
            raise OverflowError("job ids are used up: their timestamp has 40 bits")
        self._ms, self._sequence = ms, 0


def _value(found: re.Match[str]) -> int:
    if dothex := found["dothex"]:
        value = 0
        for group in dothex.split("."):
            value = value << 16 | int(group, 16)
        return value
    if f58 := found["f58"]:
        value = 0
        for letter in f58:
            value = value * 58 + _DIGIT[letter]
        return value
    return int(found["hex"], 16) if found["hex"] else int(found["dec"])


def _spoken(text: str) -> int | None:
    """An id in words or emoji."""
    if _EMOJI.fullmatch(text):
        from protocol import basemoji  # noqa: PLC0415 - few spell ids so

        return basemoji.decode(text)
    if _WORDS.fullmatch(text):
        from protocol import mnemonic  # noqa: PLC0415 - as above

        return mnemonic.decode(text)
    return None


def _dothex(id: int) -> str:
    digits = f"{id:016x}"
    return ".".join(digits[start : start + 4] for start in range(0, 16, 4))


def _base58(id: int) -> str:
    letters = ""
    while True:
        id, digit = divmod(id, 58)
        letters = _ALPHABET[digit] + letters
        if not id:
            return letters


def _in_words(id: int) -> str:
    from protocol import mnemonic  # noqa: PLC0415 - few spell ids so

    return mnemonic.encode(id)


def _in_emoji(id: int) -> str:
    from protocol import basemoji  # noqa: PLC0415 - as above

    return basemoji.encode(id)


_SPELL: Final[Mapping[Spelling, Callable[[int], str]]] = {
    "dec": str,
    "hex": hex,
    "dothex": _dothex,
    "kvs": lambda n: "job." + _dothex(n),
    "f58": lambda n: "ƒ" + _base58(n),
    "f58plain": lambda n: "f" + _base58(n),
    "words": _in_words,
    "emoji": _in_emoji,
}
