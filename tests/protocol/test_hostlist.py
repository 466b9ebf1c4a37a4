"""Hostlists (RFC 29)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import hostlist
from protocol.errors import FormatError


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("", ""),
        ("foox,fooy,fooz", "foox,fooy,fooz"),
        ("[1-3,5-6]", "1,2,3,5,6"),
        ("foo[1-5]", "foo1,foo2,foo3,foo4,foo5"),
        ("foo[0-4]-eth2", "foo0-eth2,foo1-eth2,foo2-eth2,foo3-eth2,foo4-eth2"),
        ("foo1,foo1,foo1", "foo1,foo1,foo1"),
        ("[00-02]", "00,01,02"),
        ("[00-2]", "00,01,02"),
        ("foo[1,1,2,1]", "foo1,foo1,foo2,foo1"),
        ("a[005,4,11-12],b", "a005,a004,a011,a012,b"),
        ("a,,b,", "a,b"),
    ],
)
def test_parses_the_test_vectors(text: str, hosts: str) -> None:
    """RFC 29's vectors, and its example of leading zeros."""
    assert hostlist.parse(text) == [host for host in hosts.split(",") if host]


@pytest.mark.parametrize(
    ("hosts", "text"),
    [
        ([], ""),
        (["a"], "a"),
        (["host0", "host1", "host2", "other"], "host[0-2],other"),
        (["n08", "n09", "n10", "n11"], "n[08-11]"),
        (["n9", "n10"], "n[9-10]"),
        (["n1", "n01"], "n1,n01"),
        (["n2", "n1", "n1"], "n[2,1,1]"),
        (["a1", "b1", "a2"], "a1,b1,a2"),
    ],
)
def test_formats_consecutive_numbers_as_a_range(hosts: list[str], text: str) -> None:
    """Order and leading zeros are kept."""
    assert hostlist.format(hosts) == text


@given(st.lists(st.text("a-012", min_size=1) | st.from_regex(r"\An[0-9]{17,20}\Z"), max_size=12))
def test_parses_what_was_formatted(hosts: list[str]) -> None:
    """The law of the pair: the same hosts in the same order."""
    assert hostlist.parse(hostlist.format(hosts)) == hosts


@pytest.mark.parametrize(
    "text",
    [
        "a[",
        "a]",
        "a[]",
        "a[1-]",
        "a[-1]",
        "a[x]",
        "a[2-1]",
        "a[1][2]",
        "a b",
        "\u00e9",
        "a\n",
        "[[1]]",
    ],
)
def test_refuses_malformed_text(text: str) -> None:
    """Brackets, ids and characters that RFC 29 does not have."""
    with pytest.raises(FormatError, match="hostlist"):
        hostlist.parse(text)


@pytest.mark.parametrize("text", ["a[0-999999999]", "a[0-65534],b[0-1]", "a," * 65537])
def test_refuses_more_hosts_than_it_is_worth(text: str) -> None:
    """A short text must not cost much memory."""
    with pytest.raises(FormatError, match="more than"):
        hostlist.parse(text)


@pytest.mark.parametrize("text", ["a" * 256, "a" * 256 + "[0-65535]", "[0-65535]" + "a" * 256])
def test_refuses_names_that_no_host_has(text: str) -> None:
    """A long one with a range would be more than memory holds."""
    with pytest.raises(FormatError, match="not a host name"):
        hostlist.parse(text)


@pytest.mark.parametrize("host", ["", "a,b", "a[1]", "a b"])
def test_formats_no_host_that_would_not_come_back(host: str) -> None:
    """A host with a meaning in hostlists is refused, not escaped."""
    with pytest.raises(FormatError, match="not a host name"):
        hostlist.format([host])
