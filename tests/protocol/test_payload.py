"""Payloads: both formats, and the limits that hold for any sender."""

import gc
import json
import struct
from contextlib import suppress
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from protocol.errors import PayloadError
from protocol.payload import (
    CONTAINERS_MAX,
    MAX_DEPTH,
    Format,
    convert,
    decode,
    decode_answer,
    decode_as,
    encode,
    format_of,
)

TEXT = st.text(st.characters(codec="utf-8"))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4)
)
MAPS = st.dictionaries(TEXT, VALUES, max_size=5)


class Inner(Struct):
    """A map inside a request."""

    count: int


class Ask(Struct):
    """A request with something of everything."""

    id: int
    age_limit: float = -1.0
    attrs: list[str] = []
    inner: Inner | None = None


def nested(depth: int, *, arrays: bool) -> bytes:
    """A payload of `depth` levels, its own map included."""
    if arrays:
        return b"\x81\xa1a" + b"\x91" * (depth - 1) + b"\xc0"
    return b"\x81\xa1a" * depth + b"\xc0"


class TestAnswer:
    """What the daemon wrote is read as what others wrote, without their limits."""

    @given(MAPS, st.sampled_from(Format))
    def test_map(self, value: dict[str, Any], format: Format) -> None:
        """In both formats."""
        assert decode_answer(encode(value, format)) == value

    @pytest.mark.parametrize("payload", [None, b"", b"\x80", b"{}", b"{}\0"])
    def test_nothing_is_an_empty_map(self, payload: bytes | None) -> None:
        """As from others."""
        assert decode_answer(payload) == {}

    @pytest.mark.parametrize("format", Format)
    def test_a_list_of_many_jobs(self, format: Format) -> None:
        """It has as many maps as there are jobs, and then some."""
        jobs = [{"id": n, "annotations": {}} for n in range(CONTAINERS_MAX)]
        assert decode_answer(encode({"jobs": jobs}, format)) == {"jobs": jobs}
        assert gc.isenabled()

    @given(st.binary(max_size=50))
    def test_anything_else(self, payload: bytes) -> None:
        """Other bytes are read, or refused by name."""
        with suppress(PayloadError):
            assert isinstance(decode_answer(payload), dict)

    @pytest.mark.parametrize("arrays", [False, True])
    def test_deep(self, arrays: bool) -> None:
        """Beyond all depth."""
        with pytest.raises(PayloadError, match="deeper"):
            decode_answer(nested(100_000, arrays=arrays))


class TestFormat:
    """The first byte says which format a payload is in."""

    @pytest.mark.parametrize(
        ("payload", "format"),
        [
            (b'{"id":1}\0', Format.JSON),
            (b"{", Format.JSON),
            (b"\x80", Format.MSGPACK),
            (b"", Format.MSGPACK),
            (None, Format.MSGPACK),
        ],
    )
    def test_first_byte(self, payload: bytes | None, format: Format) -> None:
        """An opening brace is JSON, everything else MessagePack."""
        assert format_of(payload) is format

    @pytest.mark.parametrize("payload", [None, b"", b"\x80", b"{}", b"{}\0"])
    def test_nothing_is_an_empty_map(self, payload: bytes | None) -> None:
        """No payload, an empty one and an empty map are the same."""
        assert decode(payload) == {}


class TestRoundTrip:
    """What is written is read back."""

    @given(MAPS, st.sampled_from(Format))
    def test_map(self, value: dict[str, Any], format: Format) -> None:
        """Any map within the limits survives in both formats."""
        payload = encode(value, format)
        assert decode(payload) == value
        assert format_of(payload) is format

    @given(MAPS)
    def test_other_encoders(self, value: dict[str, Any]) -> None:
        """What other people's libraries write is read as well."""
        assert decode(msgpack.packb(value)) == value
        assert decode(json.dumps(value).encode()) == value
        assert decode(json.dumps(value, ensure_ascii=False, indent=1).encode()) == value

    @pytest.mark.parametrize("format", Format)
    def test_struct(self, format: Format) -> None:
        """A struct is a map of its fields."""
        ask = Ask(1, 2.5, ["jobspec"], Inner(3))
        assert decode_as(encode(ask, format), Ask) == ask

    def test_exact_bytes(self) -> None:
        """JSON is compact and ends in NUL; MessagePack is the shortest there is."""
        assert encode({"id": 1, "t": 1.5}, Format.JSON) == b'{"id":1,"t":1.5}\0'
        assert encode({"id": 1}) == b"\x81\xa2id\x01"

    def test_bytes(self) -> None:
        """MessagePack's bin values are bytes; in JSON they are written as base64."""
        assert decode(encode({"data": b"\0\xff"})) == {"data": b"\0\xff"}
        assert encode({"data": b"\0\xff"}, Format.JSON) == b'{"data":"AP8="}\0'

    def test_numbers_longer_than_needed(self) -> None:
        """Numbers in more bytes than they need, and floats of 32 bits, are accepted."""
        assert decode(b"\x82\xa1a\xcf" + bytes(7) + b"\1\xa1b\xca" + struct.pack(">f", 1.5)) == {
            "a": 1,
            "b": 1.5,
        }

    @pytest.mark.parametrize("arrays", [True, False])
    def test_deepest(self, arrays: bool) -> None:
        """The deepest payload allowed has 32 levels."""
        value: Any = decode(nested(MAX_DEPTH, arrays=arrays))
        assert json.dumps(value).count("[" if arrays else "{") >= MAX_DEPTH - 1

    def test_surrogate_pair(self) -> None:
        """JSON may escape a character beyond 16 bits as a pair."""
        assert decode(rb'{"a":"\ud83d\ude00"}') == {"a": "\N{GRINNING FACE}"}


class TestRefused:
    """What no payload may hold, each with a text that names it."""

    @pytest.mark.parametrize(
        ("payload", "text"),
        [
            (b"\x82\xa1a\x01\xa1a\x02", "duplicate key 'a'"),
            (b"\x81\xa1x\x91\x82\xa1a\x01\xa1a\x01", "duplicate key 'a'"),
            (b"\x81\x01\x02", "str"),
            (b"\x81\xa1x\x81\x01\x02", "map key is not a string: 1"),
            (b"\x81\xa1x\x81\xc4\x01a\x02", "map key is not a string: b'a'"),
            (b"\x81\xa1x\x81\xc0\x02", "map key is not a string: None"),
            (b"\x81\xa1x\x81\x91\x01\x02", "map key is not a string"),
            (b"\x81\xa1x\x81\x81\xa1a\x01\x02", "as MessagePack"),
            (b"\x93\x01\x02\x03", "array"),
            (b"\xc0", "None"),
            (b"[1]", "as MessagePack"),
            (b"\x81\xa1a\x01\x02", "trailing"),
            (b"\x81\xa1a", "truncated"),
            (b"\x81\xa1a\xdd\xff\xff\xff\xff", "truncated"),
            (b"\x81\xa1a\xdf\xff\xff\xff\xff", "truncated"),
            (b"\x81\xa1a\xdb\xff\xff\xff\xff", "truncated"),
            (b"\x81\xa1a\xc1", "as MessagePack"),
            (b"\x81\xa1\xff\x01", "utf-8"),
            (b"\x81\xa1a\xa1\xff", "utf-8"),
            (b"\x81\xa1a\xa3\xed\xa0\x80", "utf-8"),
            (b"\x81\xa1a\xd4\x05\x00", "extension type"),
            (b"\x81\xa1a\xd6\xff\x00\x00\x00\x01", "extension type"),
            (b"\x81\xa1a\xc7\x0c\xff" + b"\xff" * 12, "as MessagePack"),
            (nested(MAX_DEPTH + 1, arrays=True), "deeper than 32"),
            (nested(MAX_DEPTH + 1, arrays=False), "deeper than 32"),
            (nested(10_000, arrays=True), "deeper than 32"),
            (nested(10_000, arrays=False), "deeper than 32"),
        ],
    )
    def test_msgpack(self, payload: bytes, text: str) -> None:
        """MessagePack can say more than a payload may."""
        with pytest.raises(PayloadError, match=text):
            decode(payload)

    @pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
    @pytest.mark.parametrize("code", [">Bd", ">Bf"])
    def test_msgpack_not_finite(self, number: float, code: str) -> None:
        """NaN and infinities are refused in both sizes of float."""
        payload = b"\x81\xa1a\x91" + struct.pack(code, 0xCB if code == ">Bd" else 0xCA, number)
        with pytest.raises(PayloadError, match=f"not finite: {number}"):
            decode(payload)

    @pytest.mark.parametrize(
        ("payload", "text"),
        [
            (b'{"a":1,"a":2}', "duplicate key 'a'"),
            (b'{"x":[{"a":1,"a":1}]}', "duplicate key 'a'"),
            (b'{"a":1,"\\u0061":2}', "duplicate key 'a'"),
            (b'{"a":NaN}', "not finite: NaN"),
            (b'{"a":Infinity}', "not finite: Infinity"),
            (b'{"a":-Infinity}', "not finite: -Infinity"),
            (b'{"a":1e999}', "not finite: inf"),
            (b'{"a":18446744073709551616}', "beyond 64 bits"),
            (b'{"a":-9223372036854775809}', "beyond 64 bits"),
            (b'{"a":' + b"9" * 100_000 + b"}", "beyond 64 bits"),
            (b'{"a":1}{"b":2}', "as JSON: Extra data"),
            (b'{"a":1}\0x', "as JSON: Extra data"),
            (b'{"a":1}\0\0', "as JSON: Extra data"),
            (b'{"a":1', "as JSON"),
            (b"{'a':1}", "as JSON"),
            (b'{1:"a"}', "as JSON"),
            (b'{"a":"\xff"}', "utf-8"),
            (b'{"a":"\\ud800"}', "surrogates"),
            (b'{"\\ud800":1}', "surrogates"),
            (b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "deeper than 32"),
            (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "deeper than 32"),
            (b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "deeper than 32"),
        ],
    )
    def test_json(self, payload: bytes, text: str) -> None:
        """So can JSON, the way most libraries read it."""
        with pytest.raises(PayloadError, match=text):
            decode(payload)

    @given(st.binary() | st.binary().map(b"{".__add__) | st.binary().map(b"\x81\xa1a".__add__))
    def test_arbitrary_bytes(self, payload: bytes) -> None:
        """Arbitrary bytes are a map or a PayloadError, and the map can be written again."""
        try:
            value = decode(payload)
        except PayloadError:
            return
        assert decode(encode(value)) == value

    @given(MAPS, st.data())
    def test_damaged_bytes(self, value: dict[str, Any], data: st.DataObject) -> None:
        """So are payloads with one byte changed."""
        payload = bytearray(encode(value, data.draw(st.sampled_from(Format))))
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
        try:
            damaged = decode(bytes(payload))
        except PayloadError:
            return
        assert decode(encode(damaged)) == damaged

    def test_a_duplicate_among_many_keys_is_found_as_fast(self) -> None:
        """And not by comparing each with each: that took minutes."""
        keys = ",".join(f'"k{n}":1' for n in range(200_000))
        with pytest.raises(PayloadError, match="duplicate key 'k199999'"):
            decode(f'{{{keys},"k199999":1}}'.encode())

    @pytest.mark.parametrize("format", list(Format))
    def test_maps_and_arrays_are_counted(self, format: Format) -> None:
        """In all, at whatever level; and the garbage collector goes on."""
        half = CONTAINERS_MAX // 2
        fits: dict[str, Any] = {"a": [[{}] for _ in range(half - 1)]}
        assert decode(encode(fits, format)) == fits
        fits["a"] += [[{}], []]
        with pytest.raises(PayloadError, match=f"more than {CONTAINERS_MAX} maps and arrays"):
            decode(encode(fits, format))
        assert gc.isenabled()


class TestConvert:
    """The second step: a map gets its type."""

    def test_int_where_float_is_asked(self) -> None:
        """A whole number is a real one too."""
        assert decode_as(encode({"id": 1, "age_limit": 30}), Ask) == Ask(1, 30.0)

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ({}, "missing required key 'id'"),
            ({"id": "x"}, "expected int, got str: key 'id'"),
            ({"id": 1.0}, "expected int, got float: key 'id'"),
            ({"id": True}, "expected int, got bool: key 'id'"),
            ({"id": 1, "age_limit": "7d"}, "expected float, got str: key 'age_limit'"),
            ({"id": 1, "attrs": ["R", 2]}, "expected str, got int: key 'attrs[1]'"),
            ({"id": 1, "inner": {}}, "missing required key 'inner.count'"),
            ({"id": 1, "inner": {"count": None}}, "expected int, got null: key 'inner.count'"),
            ([1], "expected object, got array"),
        ],
    )
    def test_mismatch_names_the_key(self, value: object, text: str) -> None:
        """A key that is missing or of another type is named as on the wire."""
        with pytest.raises(PayloadError) as caught:
            convert(value, Ask)
        assert str(caught.value) == text

    def test_unknown_keys_are_ignored(self) -> None:
        """A newer client may say more than we know."""
        assert decode_as(encode({"id": 1, "new": []}), Ask) == Ask(1)

    def test_msgspec_still_needs_the_first_step(self) -> None:
        """The reason for two steps holds: msgspec alone does not see a duplicate key."""
        assert msgspec.msgpack.decode(b"\x82\xa2id\x01\xa2id\x02", type=Ask) == Ask(2)
