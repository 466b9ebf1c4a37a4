"""The window of the journal's last news: bounded, numbered, exact about what is gone."""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmgrd.services.journal_window import Window
from protocol.errors import RpcError
from protocol.payload import Format, decode


@given(
    sizes=st.lists(st.integers(0, 300), max_size=60),
    records_max=st.integers(1, 20),
    bytes_max=st.integers(50, 2000),
    encode=st.booleans(),
)
def test_it_holds_the_last_within_both_bounds(
    sizes: list[int], records_max: int, bytes_max: int, encode: bool
) -> None:
    """And answers from every number what follows it, or that this is gone."""
    window = Window(records_max, bytes_max)
    for size in sizes:
        record = window.add(b'{"x":"%b"' % (b"x" * size))
        if encode:
            window.encoded(record, Format.MSGPACK)
        held = window.last + 1 - window.first
        assert held <= records_max
    assert window.last == len(sizes)
    for n in range(window.last + 1):
        if n + 1 < window.first:
            with pytest.raises(RpcError, match="resync") as caught:
                window.after(n, 5)
            assert caught.value.errnum == errno.ESTALE
        else:
            expected = list(range(n + 1, min(window.last, n + 5) + 1))
            assert [record.n for record in window.after(n, 5)] == expected
    kept = window.after(window.first - 1, 1000)
    assert window.size == sum(len(r.json) + len(r.msgpack or b"") for r in kept)
    assert window.size <= bytes_max or (encode and len(kept) <= records_max)


def test_both_formats_say_the_same() -> None:
    """A record is encoded when it is first asked for, and then kept."""
    window = Window()
    record = window.add(b'{"id":1,"events":[]')
    first = window.encoded(record, Format.MSGPACK)
    assert decode(first) == decode(window.encoded(record, Format.JSON))
    assert decode(first)["seq"] == window.cursor(1)
    assert window.encoded(record, Format.MSGPACK) is first


def test_incarnations_differ() -> None:
    """A cursor of another window is never taken for one of this."""
    one, other = Window(), Window()
    for window in (one, other):
        window.add(b'{"id":1')
    assert one.position(one.cursor(1)) == 1
    with pytest.raises(RpcError) as caught:
        one.position(other.cursor(1))
    assert caught.value.errnum == errno.ESTALE
