"""Whatever bytes come in, a reader gives its own error, or a value that holds."""

import json
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import FOUND, TARGETS, Form

TEXT = st.text(max_size=60)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.binary(max_size=20)
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def nearly(draw: st.DrawFn, good: Any) -> Any:  # noqa: ANN401 - a value of JSON
    """A good value with something in it replaced, left out or added."""
    if isinstance(good, dict) and good and draw(st.integers(0, 9)):
        key = draw(st.sampled_from(sorted(good)))
        if not draw(st.integers(0, 5)):
            return {k: v for k, v in good.items() if k != key}
        return {**good, key: draw(nearly(good[key]))}
    if isinstance(good, list) and good and draw(st.integers(0, 4)):
        return [draw(nearly(good[0])), *good[1:]]
    return draw(JUNK)


@st.composite
def spliced(draw: st.DrawFn, good: bytes) -> bytes:
    """Good bytes with junk in place of some of them."""
    start = draw(st.integers(0, len(good)))
    end = draw(st.integers(start, len(good)))
    return good[:start] + draw(st.binary(max_size=30)) + good[end:]


@st.composite
def encoded(draw: st.DrawFn, good: bytes) -> bytes:
    """A nearly good value in one of the formats of payloads, as far as it can be written."""
    value = draw(nearly(json.loads(good)))
    if draw(st.booleans()):
        return json.dumps(value, default=str).encode()
    try:
        return bytes(msgpack.packb(value))
    except (OverflowError, ValueError):  # an integer beyond 64 bits, half of a surrogate pair
        return b""


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=60)
@given(st.data())
def test_any_bytes_keep_the_law(name: str, data: st.DataObject) -> None:
    """Junk, and what is nearly good."""
    target = TARGETS[name]
    good = data.draw(st.sampled_from(list(target.seeds)))
    tried = st.binary(max_size=80) | TEXT.map(str.encode) | spliced(good)
    if target.form is Form.JSON:
        tried |= encoded(good)
    target.law(data.draw(tried))


@pytest.mark.parametrize("name", TARGETS)
def test_good_bytes_keep_the_law(name: str) -> None:
    """What fuzzers begin with."""
    for seed in TARGETS[name].seeds:
        TARGETS[name].law(seed)


KEPT = sorted(path for path in FOUND.glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_keeps_the_law(path: Path) -> None:
    """What once broke a law."""
    TARGETS[path.parent.name].law(path.read_bytes())
