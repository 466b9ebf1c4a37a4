"""Whatever bytes come in, a reader of them answers with its own error, or with a value."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmgrd.config import ConfigError, check, load
from protocol import constraint_reader, duration, hostlist, idset, jobid, jobspec, stream
from protocol.errors import FormatError, MessageError, PayloadError
from protocol.message import HEADER_SIZE, Request, decode
from protocol.payload import decode as decode_payload
from protocol.signature import unwrap

TEXT = st.text(max_size=60)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.binary(max_size=20)
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
GOOD = Request("job-manager.getinfo", b"\x80", matchtag=1).frames()
JOB: dict[str, Any] = jobspec.from_command(["true"], cwd="/", environment={"A": "b"})


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


def refuses(errors: type[Exception], read: Callable[[], object]) -> None:
    """Read, or be refused."""
    try:
        read()
    except errors:
        return


@given(st.lists(st.binary(max_size=HEADER_SIZE + 2), max_size=6))
def test_frames(frames: list[bytes]) -> None:
    """A message of any frames (RFC 3)."""
    refuses(MessageError, lambda: decode(frames))


@given(st.integers(0, len(GOOD) - 1), st.binary(max_size=30), st.integers(0, 30))
def test_frames_that_are_nearly_right(n: int, junk: bytes, at: int) -> None:
    """A good message with junk in one of its frames."""
    frame = GOOD[n][:at] + junk + GOOD[n][at + len(junk) :]
    refuses(MessageError, lambda: decode([*GOOD[:n], frame, *GOOD[n + 1 :]]))


@given(st.binary(max_size=80))
def test_payloads(payload: bytes) -> None:
    """A payload of any bytes, as MessagePack and as JSON."""
    refuses(PayloadError, lambda: decode_payload(payload))
    refuses(PayloadError, lambda: decode_payload(b"{" + payload))


@given(st.binary(max_size=200), st.integers(1, 64))
def test_the_unix_stream(data: bytes, piece: int) -> None:
    """Any bytes in any pieces, after a good message."""
    splitter = stream.Splitter(1 << 16)

    def feed() -> None:
        whole = stream.encode(GOOD) + data
        for start in range(0, len(whole), piece):
            list(splitter.feed(whole[start : start + piece]))

    refuses(MessageError, feed)


@given(TEXT | st.from_regex(r"[-+0-9.a-z]{1,12}"))
@pytest.mark.parametrize("read", [duration.parse, jobid.parse, idset.parse, hostlist.parse])
def test_texts(read: Callable[[str], object], text: str) -> None:
    """Durations (RFC 23), ids (RFC 19), sets and lists of hosts (RFC 22, 29)."""
    refuses(FormatError, lambda: read(text))


@given(nearly({"and": [{"states": ["inactive"]}, {"not": [{"name": ["a"]}]}]}))
def test_constraints(value: Any) -> None:  # noqa: ANN401 - any value
    """RFC 35's, for lists of jobs."""
    refuses(FormatError, lambda: constraint_reader.parse(value))


@given(nearly(JOB))
def test_jobspecs(value: Any) -> None:  # noqa: ANN401 - any value
    """RFC 25."""
    refuses(FormatError, lambda: jobspec.parse(value))
    text = json.dumps(value, default=str).encode()
    refuses(FormatError, lambda: jobspec.decode(text))


@given(st.binary(max_size=60) | st.just(b"eyJ2ZXJzaW9uIjoxfQ==.e30=.none"))
def test_signed_jobspecs(data: bytes) -> None:
    """RFC 15's J, of any text."""
    refuses(FormatError, lambda: unwrap(data.decode(errors="replace")))


CONFIG = {
    "daemon": {"log-level": "info"},
    "rpc": {"bind": ["ipc://{{rundir}}/rpc"]},
    "job-manager": {"inactive-age-limit": "7d", "retention": [{"name": "a", "result": ["failed"]}]},
    "queues": {"debug": {"requires": ["x"]}},
}


@given(nearly(CONFIG))
def test_configurations(value: Any) -> None:  # noqa: ANN401 - any value
    """As config.load gets them."""
    if isinstance(value, dict):
        refuses(ConfigError, lambda: check(value, "fuzz"))


@settings(max_examples=50)
@given(st.binary(max_size=80))
def test_configuration_files(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Of any bytes."""
    path: Path = tmp_path_factory.getbasetemp() / "fuzz.toml"
    path.write_bytes(data)
    refuses(ConfigError, lambda: load(path))
