"""The signature J (RFC 39), mechanism none."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import signature
from protocol.errors import FormatError

HEADER = b"version\0i1\0userid\0i1000\0mechanism\0snone\0"


def sealed(header: bytes = HEADER, payload: str = "e30=", end: str = "none") -> str:
    """A J with any part replaced."""
    return f"{b64encode(header).decode()}.{payload}.{end}"


def test_wraps_as_flux_core_does() -> None:
    """The header's keys are in flux-core's order, so equal inputs give equal bytes."""
    assert signature.wrap(b"{}", 1000) == sealed()


@given(st.binary(), st.integers(0, 2**32 - 1))
def test_unwraps_what_was_wrapped(payload: bytes, userid: int) -> None:
    """The law of the pair."""
    assert signature.unwrap(signature.wrap(payload, userid)) == (userid, payload)


def test_accepts_keys_in_any_order_and_unknown_ones() -> None:
    """RFC 39 names keys, not their order, and allows more of them."""
    header = b"mechanism\0snone\0xkey\0t2023-08-18T14:59:45Z\0userid\0i7\0version\0i1\0"
    assert signature.unwrap(sealed(header)) == (7, b"{}")


@pytest.mark.parametrize(
    ("J", "text"),
    [
        ("", "expected 3 components"),
        ("a.b", "expected 3 components"),
        (sealed() + ".", "expected 3 components"),
        (sealed(end=""), "signature"),
        (sealed(end="None"), "signature"),
        (sealed(payload="e30"), "payload is not base64"),
        (sealed(payload="e30=\n"), "payload is not base64"),
        (sealed(payload="e3\u00e9="), "payload is not base64"),
        ("!!!.e30=.none", "header is not base64"),
        (sealed(b"\xff\0i1\0"), "header is not UTF-8"),
        (sealed(b"version"), "not terminated"),
        (sealed(b"version\0i1"), "not terminated"),
        (sealed(b"\0i1\0" + HEADER), "a key is empty"),
        (sealed(b"x\0\0" + HEADER), "has no type"),
        (sealed(HEADER + b"userid\0i0\0"), "twice"),
        (sealed(b"x\0s" + b"y" * 4096 + b"\0" + HEADER), "longer than"),
        (sealed(b""), "missing version"),
        (sealed(HEADER.replace(b"i1\0u", b"i2\0u")), "version is 'i2'"),
        (sealed(HEADER.replace(b"i1\0u", b"s1\0u")), "version is 's1'"),
        (sealed(HEADER.replace(b"snone", b"smunge")), "mechanism 'munge' is not supported"),
        (sealed(HEADER.replace(b"i1000", b"i-1")), "userid is 'i-1'"),
        (sealed(HEADER.replace(b"i1000", b"i4294967296")), "userid is 'i4294967296'"),
        (sealed(HEADER.replace(b"i1000", b"s1000")), "userid is 's1000'"),
        (sealed(HEADER.replace(b"i1000", b"i 10")), "userid is 'i 10'"),
    ],
)
def test_refuses_a_malformed_signature(J: str, text: str) -> None:
    """Every part is checked, and the text names the part."""
    with pytest.raises(FormatError, match=text):
        signature.unwrap(J)


@given(st.text())
def test_refuses_any_text(text: str) -> None:
    """No text makes it raise anything but FormatError."""
    with pytest.raises(FormatError):
        signature.unwrap(text)
