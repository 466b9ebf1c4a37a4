"""Ids in words (RFC 19, mnemonicode): three for each half of an id, the lower half first.

A half is a number in base 1626, the lowest digit first. Whatever is no letter separates words, and
case does not matter, so that an id may be read out.
"""

import re
from typing import Final

from protocol.mnemonic_words import WORDS

_HALF: Final = 32
_MASK: Final = (1 << _HALF) - 1
_BASE: Final = len(WORDS)
_DIGITS: Final = 3
_VALUE: Final = {word: value for value, word in enumerate(WORDS)}
_WORD: Final = re.compile("[a-z]+")


def encode(id: int) -> str:
    """Spell an id: "cake-plume-nepal--neuron-pencil-academy"."""
    return "--".join("-".join(_words(half)) for half in (id & _MASK, id >> _HALF))


def decode(text: str) -> int | None:
    """Read an id; None if it is none."""
    values = [_VALUE.get(word) for word in _WORD.findall(text.lower())]
    digits = [value for value in values if value is not None]
    if len(digits) != len(values) or len(digits) != 2 * _DIGITS:
        return None
    low, high = _number(digits[:_DIGITS]), _number(digits[_DIGITS:])
    return high << _HALF | low if max(low, high) <= _MASK else None


def _words(half: int) -> list[str]:
    words = []
    for _ in range(_DIGITS):
        half, digit = divmod(half, _BASE)
        words.append(WORDS[digit])
    return words


def _number(digits: list[int]) -> int:
    first, second, third = digits
    return first + _BASE * (second + _BASE * third)
