"""Idsets (RFC 22)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import idset
from protocol.errors import FormatError

SETS = st.sets(st.integers(0, 200) | st.integers(0, idset.MAX_ID))


class TestParse:
    """RFC 22: ids ascending, ranges, brackets."""

    @pytest.mark.parametrize(
        ("text", "ids"),
        [
            ("2", (2,)),
            ("7-9", (7, 8, 9)),
            ("1,7-9,14,16", (1, 7, 8, 9, 14, 16)),
            ("1-3,7-9,14,16", (1, 2, 3, 7, 8, 9, 14, 16)),
            ("2,3,4,5", (2, 3, 4, 5)),
            ("", ()),
            ("1048576", (1048576,)),
            ("[2]", (2,)),
            ("[7-9]", (7, 8, 9)),
            ("[0]", (0,)),
            ("[]", ()),
            ("4294967294", (4294967294,)),
        ],
    )
    def test_vectors_of_libidset(self, text: str, ids: tuple[int, ...]) -> None:
        """What flux-core reads is read the same."""
        assert idset.parse(text) == ids

    @pytest.mark.parametrize(
        "text",
        [
            *("4.2", "x", "1-2x", "01,2", "00", "3,2", "3-0", "2,2,2,2", "[0", "0]", "[[0]]"),
            *("[[0,2]", "[0,2]]", "0,[2", "0]2", "0-", "[0-]", "-5", "[-5]", "[", "]", "2-2"),
            *("1-3,3", "1,,2", "1,", ",1", " 1", "1, 2", "+1", "1-03", "1-2-3", "٣", "1\n"),
            *("4294967295", "0-4294967295", "9" * 10_000),
        ],
    )
    def test_refused(self, text: str) -> None:
        """What is no idset is refused by name."""
        with pytest.raises(FormatError, match="invalid idset"):
            idset.parse(text)

    def test_largest(self) -> None:
        """A text may name 2**20 ids."""
        assert len(idset.parse("0-1048575")) == idset.MAX_IDS

    @pytest.mark.parametrize("text", ["0-1048576", "0-1048574,2000000-2000001", "0-4294967294"])
    def test_too_many(self, text: str) -> None:
        """A short text cannot fill the memory."""
        with pytest.raises(FormatError, match="more than 1048576 ids"):
            idset.parse(text)

    @given(st.text("0123456789,-[]x"))
    def test_arbitrary_text(self, text: str) -> None:
        """What is accepted is ascending, and means the same when written again."""
        try:
            ids = idset.parse(text)
        except FormatError:
            return
        assert list(ids) == sorted(set(ids))
        assert idset.parse(idset.format(ids)) == ids


class TestFormat:
    """RFC 22: consecutive ids become ranges."""

    @pytest.mark.parametrize(
        ("ids", "text"),
        [
            ([], ""),
            ([0], "0"),
            ([0, 1], "0-1"),
            ([5, 3, 2, 1, 0, 3], "0-3,5"),
            (range(4), "0-3"),
            ({1, 7, 8, 9, 16}, "1,7-9,16"),
        ],
    )
    def test_ranges(self, ids: list[int], text: str) -> None:
        """Ids in any order are written ascending, runs as ranges."""
        assert idset.format(ids) == text

    @given(SETS)
    def test_round_trip(self, ids: set[int]) -> None:
        """A set is read back as it was, in brackets or not."""
        text = idset.format(ids)
        assert idset.parse(text) == idset.parse(f"[{text}]") == tuple(sorted(ids))

    @pytest.mark.parametrize("id", [-1, idset.MAX_ID + 1])
    def test_refused(self, id: int) -> None:
        """Ids that no idset can hold are refused."""
        with pytest.raises(FormatError, match="outside"):
            idset.format([0, id])
