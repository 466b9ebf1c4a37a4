"""Dependencies as URIs (RFC 26)."""

from typing import Any

import pytest

from protocol.dependency import from_uri
from protocol.errors import FormatError


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("afterany:ƒ2oLkTLb", {"scheme": "afterany", "value": "ƒ2oLkTLb"}),
        ("after:1234", {"scheme": "after", "value": "1234"}),
        ("begin-time:12.5", {"scheme": "begin-time", "value": "12.5"}),
        ("singleton", {"scheme": "singleton", "value": ""}),
        ("string:foo?type=out", {"scheme": "string", "value": "foo", "type": "out"}),
        ("x:a:b?n=1&f=2.5;s=t", {"scheme": "x", "value": "a:b", "n": 1, "f": 2.5, "s": "t"}),
        ("x:a?n=1&n=b", {"scheme": "x", "value": "a", "n": [1, "b"]}),
        (
            "x:a?n=1e999&m=99999999999999999999",
            {"scheme": "x", "value": "a", "n": "1e999", "m": "9" * 20},
        ),
        ("x:a?scheme=y&value=z", {"scheme": "x", "value": "a"}),
    ],
)
def test_a_uri_is_an_object(uri: str, expected: dict[str, Any]) -> None:
    """Of the required keys and what the query adds."""
    assert from_uri(uri) == expected


@pytest.mark.parametrize("uri", ["", "a:\udc80", ":ƒ1", "1after:ƒ1", "a b:c", "ünder:x"])
def test_what_begins_with_no_scheme_is_refused(uri: str) -> None:
    """In flux-core's words; bytes that are not UTF-8 could not be sent."""
    with pytest.raises(FormatError, match=r"^Invalid dependency URI "):
        from_uri(uri)
