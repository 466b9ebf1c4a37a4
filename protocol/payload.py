"""MessagePack and JSON payloads <-> typed values, within limits that hold for any sender.

A payload is a map with string keys. Its first byte says which format it is in: `{` opens
JSON, which RFC 3 ends in NUL; everything else is MessagePack. Reading takes two steps,

    bytes --decode--> dict --convert--> struct

because the first sees what may not be there and the second what has to be. msgspec alone
could do both faster, but it keeps the last of two equal keys without a word and goes as
deep as the interpreter's stack.
"""

import gc
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from enum import Enum
from math import isfinite
from typing import Any, Final, TypeVar

import msgpack
import msgspec
from msgspec import Struct

from protocol.errors import PayloadError

T = TypeVar("T")

MAX_DEPTH: Final = 32
"""Levels of maps and arrays in a payload, its own map included."""

CONTAINERS_MAX: Final = 1 << 17
"""Maps and arrays in a payload: a few MiB of empty ones would take a second to look at."""

_LARGE: Final = 1 << 16
"""Bytes of a payload that is read without a pause: so many new objects at once would have the
garbage collector look at all of them again and again, which takes three times as long."""

_INT_MIN: Final = -(2**63)
_INT_MAX: Final = 2**64 - 1
_INT_DIGITS: Final = 20

_EMPTY: Final = b"\x80"
_OPENS_JSON: Final = ord("{")
_TOO_DEEP: Final = f"payload is nested deeper than {MAX_DEPTH}"
_TOO_MANY: Final = f"payload has more than {CONTAINERS_MAX} maps and arrays"
_MISSING: Final = re.compile(r"Object missing required field `(.*)`")


class Format(Enum):
    """How a payload is encoded; a response is encoded as its request was."""

    MSGPACK = "msgpack"
    JSON = "json"


def format_of(payload: bytes | None) -> Format:
    """The format of a payload, told by its first byte; no payload counts as MessagePack."""
    return Format.JSON if payload and payload[0] == _OPENS_JSON else Format.MSGPACK


def decode(payload: bytes | None) -> dict[str, Any]:
    """Read a payload; no payload is an empty map.

    Values are None, bool, int (64 bits), float (finite), str, bytes, list and dict.

    Raises:
        PayloadError: the payload is malformed, too deep, no map, or holds anything else.
    """
    if not payload or payload == _EMPTY:
        return {}
    if len(payload) >= _LARGE and gc.isenabled():
        return _without_pauses(decode, payload)
    value = _decode_json(payload) if payload[0] == _OPENS_JSON else _decode_msgpack(payload)
    _check(value)
    return value


def _without_pauses(read: Callable[[bytes], dict[str, Any]], payload: bytes) -> dict[str, Any]:
    gc.disable()
    try:
        return read(payload)
    finally:
        gc.enable()


def decode_answer(payload: bytes | None) -> dict[str, Any]:
    """Read what the daemon itself wrote, of any size, several times faster: no limit holds.

    Raises:
        PayloadError: the payload is malformed, or no map with string keys.
    """
    if not payload or payload == _EMPTY:
        return {}
    if len(payload) >= _LARGE and gc.isenabled():
        return _without_pauses(decode_answer, payload)
    try:
        if payload[0] == _OPENS_JSON:
            return _from_whole_json(payload.removesuffix(b"\0"))
        return _from_msgpack(payload)
    except RecursionError:
        raise PayloadError(_TOO_DEEP) from None
    except (ValueError, TypeError) as error:
        raise PayloadError(f"payload does not decode: {error}") from error


def convert(value: object, type: type[T]) -> T:
    """Give a decoded value its type; an int is accepted where a float is asked.

    Raises:
        PayloadError: a key is missing or its value is of another type; the text names the key.
    """
    try:
        return msgspec.convert(value, type)
    except msgspec.ValidationError as error:
        raise PayloadError(_explain(str(error))) from None


def decode_as(payload: bytes | None, type: type[T]) -> T:
    """Read a payload as one type: `decode`, then `convert`."""
    return convert(decode(payload), type)


def encode(
    value: Struct | Mapping[str, Any],
    format: Format = Format.MSGPACK,
) -> bytes:
    """Write a struct or a map as a payload; JSON is compact and ends in NUL.

    JSON has no bytes and no infinities: they become base64 text and null.
    """
    if format is Format.JSON:
        return _to_json(value) + b"\0"
    return _to_msgpack(value)


_from_msgpack: Final = msgspec.msgpack.Decoder(dict[str, Any]).decode
_from_whole_json: Final = msgspec.json.Decoder(dict[str, Any]).decode
_to_msgpack: Final = msgspec.msgpack.Encoder().encode
_to_json: Final = msgspec.json.Encoder().encode


def _decode_msgpack(payload: bytes) -> dict[str, Any]:
    try:
        value = _from_msgpack(payload)
        # A dict has no key twice, so neither has a payload equal to what its dict encodes to:
        # three times faster than hooking every map. Other payloads (a number in more bytes
        # than it needs, bytes for strings) are valid too and take the slow way.
        if _to_msgpack(value) != payload:
            msgpack.unpackb(payload, object_pairs_hook=_unique, strict_map_key=False)
    except PayloadError:
        raise
    except (RecursionError, msgpack.StackError):
        raise PayloadError(_TOO_DEEP) from None
    except (ValueError, TypeError) as error:
        raise PayloadError(f"payload does not decode as MessagePack: {error}") from error
    return value


def _decode_json(payload: bytes) -> dict[str, Any]:
    try:
        text = payload.removesuffix(b"\0").decode()
        value: dict[str, Any] = _from_json(text)
        if "\\u" in text:
            _to_json(value)  # an escaped half of a surrogate pair is a str that is no UTF-8
    except PayloadError:
        raise
    except RecursionError:
        raise PayloadError(_TOO_DEEP) from None
    except ValueError as error:
        raise PayloadError(f"payload does not decode as JSON: {error}") from error
    return value


def _unique(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = next(key for key, times in counts.items() if times > 1)
        raise PayloadError(f"duplicate key {twice!r}")
    return value


def _integer(text: str) -> int:
    # Length first: converting a long text to an int takes quadratic time.
    if len(text) > _INT_DIGITS or not _INT_MIN <= int(text) <= _INT_MAX:
        raise PayloadError(f"integer beyond 64 bits: {text[:_INT_DIGITS]}...")
    return int(text)


def _constant(text: str) -> float:
    raise PayloadError(f"number is not finite: {text}")


_from_json: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_constant=_constant
).decode


def _check(value: dict[str, Any]) -> None:
    """Go down level by level; refuse keys, values and depth that no payload may have."""
    level: list[Any] = [value]
    left = CONTAINERS_MAX
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        for container in level:
            items = container
            if type(container) is dict:
                _check_keys(container)
                items = container.values()
            for item in items:
                kind = type(item)
                if kind is str or kind is int:
                    continue
                if kind is dict or kind is list:
                    if len(deeper) == left:
                        raise PayloadError(_TOO_MANY)
                    deeper.append(item)
                else:
                    _check_rare(item)
        if not deeper:
            return
        level = deeper
        left -= len(deeper)
    raise PayloadError(_TOO_DEEP)


def _check_keys(container: dict[Any, Any]) -> None:
    try:
        "".join(container)  # the fastest way to ask whether all of them are str
    except TypeError:
        wrong = next(key for key in container if not isinstance(key, str))
        raise PayloadError(f"map key is not a string: {wrong!r}") from None


def _check_rare(item: object) -> None:
    if isinstance(item, float):
        if not isfinite(item):
            raise PayloadError(f"number is not finite: {item}")
    elif item is not None and not isinstance(item, bool | bytes):
        raise PayloadError(f"payload holds an extension type: {item!r}")


def _explain(text: str) -> str:
    """Reorder msgspec's words for a mismatch to name the key as it is on the wire.

    "Object missing required field `b` - at `$.a`" -> "missing required key 'a.b'"
    "Expected `int`, got `str` - at `$.a.b`"       -> "expected int, got str: key 'a.b'"
    """
    what, _, where = text.partition(" - at `$")
    path = where.strip("`.")
    if missing := _MISSING.fullmatch(what):
        key = f"{path}.{missing[1]}" if path else missing[1]
        return f"missing required key '{key}'"
    what = what[:1].lower() + what[1:].replace("`", "")
    return f"{what}: key '{path}'" if path else what
