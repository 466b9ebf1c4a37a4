"""Eventlogs (RFC 18): JSON lines."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import FormatError
from protocol.eventlog import Entry, decode, decode_line, encode, entry_line

TEXT = st.text(st.characters(codec="utf-8"))
CONTEXTS = st.none() | st.dictionaries(TEXT, TEXT | st.integers(-(2**53), 2**53) | st.booleans())
ENTRIES = st.builds(
    Entry,
    st.floats(0, exclude_min=True, allow_infinity=False),
    st.text(st.characters(codec="utf-8"), min_size=1),
    CONTEXTS,
)


class TestWrite:
    """RFC 18: event log format."""

    def test_line(self) -> None:
        """An entry is one object in Flux's order of keys, compact, ending in a newline."""
        assert entry_line(1552593348.073045, "submit", {"urgency": 16, "userid": 5588}) == (
            b'{"timestamp":1552593348.073045,"name":"submit",'
            b'"context":{"urgency":16,"userid":5588}}\n'
        )

    def test_without_context(self) -> None:
        """A context that is not there is not written; an empty one is."""
        assert entry_line(1.5, "clean") == b'{"timestamp":1.5,"name":"clean"}\n'
        assert entry_line(1.5, "debug.x", {}).endswith(b'"context":{}}\n')

    def test_newline_inside(self) -> None:
        """A newline in a note does not break the line."""
        line = entry_line(1.5, "exception", {"note": "a\nb"})
        assert line.count(b"\n") == 1
        assert decode_line(line).context == {"note": "a\nb"}

    @given(ENTRIES)
    def test_both_ways_of_writing(self, entry: Entry) -> None:
        """The fast path writes what the entry does."""
        assert entry_line(entry.timestamp, entry.name, entry.context) == encode(entry)


class TestRead:
    """Strict reading."""

    @given(st.lists(ENTRIES, max_size=5))
    def test_round_trip(self, entries: list[Entry]) -> None:
        """A log is the concatenation of its entries' lines."""
        assert decode(b"".join(encode(entry) for entry in entries)) == entries

    def test_line(self) -> None:
        """Whole seconds, other orders and keys of other people are accepted."""
        assert decode_line(b'{"name": "foo", "timestamp": 42, "x": 1}\n') == Entry(42.0, "foo")

    def test_empty_log(self) -> None:
        """An empty log has no entries."""
        assert decode(b"") == []

    @pytest.mark.parametrize(
        "line",
        [
            b"\n",
            b"foo\n",
            b"[]\n",
            b'{"timestamp":"foo","name":"foo"}\n',
            b'{"timestamp":42.0,"name":18}\n',
            b'{"timestamp":42.0,"name":""}\n',
            b'{"timestamp":42.0}\n',
            b'{"name":"foo"}\n',
            b'{"timestamp":0,"name":"foo"}\n',
            b'{"timestamp":-1.0,"name":"foo"}\n',
            b'{"timestamp":NaN,"name":"foo"}\n',
            b'{"timestamp":42.0,"name":"foo","context":"bar"}\n',
            b'{"timestamp":42.0,"name":"\xff"}\n',
            b'{"timestamp":42.0,"name":"a"}{"timestamp":42.0,"name":"b"}\n',
            b'{"timestamp":42.0,"name":"foo"}',
            b'{"timestamp":1,"name":"a","context":' + b'{"a":' * 10_000 + b"\n",
        ],
    )
    def test_refused(self, line: bytes) -> None:
        """A line that is no entry is refused with its number."""
        with pytest.raises(FormatError, match="line 1"):
            decode_line(line)
        with pytest.raises(FormatError, match="line 3"):
            decode(entry_line(1.5, "submit") * 2 + line)

    @pytest.mark.parametrize("count", [0, 2])
    def test_one_line_is_one(self, count: int) -> None:
        """Reading a line takes exactly one."""
        with pytest.raises(FormatError, match="not one"):
            decode_line(entry_line(1.5, "submit") * count)

    @given(st.binary() | st.binary().map(b'{"timestamp":1,"name":"a"}\n'.__add__))
    def test_arbitrary_bytes(self, data: bytes) -> None:
        """Arbitrary bytes are entries or a FormatError."""
        try:
            entries = decode(data)
        except FormatError:
            return
        assert all(math.isfinite(entry.timestamp) for entry in entries)
