"""Flux Standard Duration (RFC 23)."""

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import duration
from protocol.errors import FormatError


class TestParse:
    """RFC 23: N[SUFFIX]."""

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("2ms", 0.002),
            ("0.1s", 0.1),
            ("30", 30.0),
            ("1.2h", 4320.0),
            ("5m", 300.0),
            ("0s", 0.0),
            ("5d", 432000.0),
            ("inf", inf),
            ("INF", inf),
            ("infinity", inf),
        ],
    )
    def test_vectors_of_the_rfc(self, text: str, seconds: float) -> None:
        """The RFC's test vectors hold exactly."""
        assert duration.parse(text) == seconds

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("0", 0.0),
            ("500ms", 0.5),
            ("0.2ms", 0.0002),
            (".5m", 30.0),
            ("1.d", 86400.0),
            ("1e3", 1000.0),
            ("1E-3h", 3.6),
            ("+7d", 604800.0),
            (" 7", 7.0),
            ("0x10", 16.0),
            ("0x1d", 29.0),
            ("0X1P3m", 480.0),
            ("0x.8s", 0.5),
            ("1e999", inf),
            ("0x1p99999", inf),
            ("Infinity", inf),
        ],
    )
    def test_what_strtod_reads(self, text: str, seconds: float) -> None:
        """N may have any form that C99 allows."""
        assert duration.parse(text) == pytest.approx(seconds, rel=1e-15)

    @pytest.mark.parametrize(
        "text",
        [
            *("", " ", "s", "-1.", "-1s", "-inf", "1.0f", "1.0sec", "1 s", "5s ", "1S", "1M", "1D"),
            *("nan", "NaNs", "infinites", "infd", "inf s", "infs", "1e999s", "0x", "0xs", "."),
            *("1w", "1y", "1h30m", "1,5", "1_0", "٣s", "1e", "1" * 100),
        ],
    )
    def test_refused(self, text: str) -> None:
        """Anything else is an invalid FSD, shown as it was written."""
        with pytest.raises(FormatError, match="invalid FSD") as caught:
            duration.parse(text)
        assert repr(text[:64]) in str(caught.value)

    @given(st.text())
    def test_arbitrary_text(self, text: str) -> None:
        """Arbitrary text is a duration of zero or more, or a FormatError."""
        try:
            assert duration.parse(text) >= 0
        except FormatError:
            return


class TestFormat:
    """How flux-core prints durations."""

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (0.0, "0s"),
            (0.001, "1ms"),
            (0.01, "10ms"),
            (0.0621, "62.1ms"),
            (0.1, "0.1s"),
            (5.0, "5s"),
            (5.1, "5.1s"),
            (62.0, "1.03333m"),
            (3600.0, "1h"),
            (4500.0, "1.25h"),
            (86400.0, "1d"),
            (103680.0, "1.2d"),
            (inf, "infinity"),
        ],
    )
    def test_unit_suits_the_size(self, seconds: float, text: str) -> None:
        """A duration is shown with six digits in the unit that flux-core takes."""
        assert duration.format(seconds) == text

    @given(st.floats(0, allow_nan=False))
    def test_reads_back(self, seconds: float) -> None:
        """What is printed reads back as what was meant, to six digits."""
        assert duration.parse(duration.format(seconds)) == pytest.approx(seconds, rel=1e-5)

    @pytest.mark.parametrize("seconds", [-1.0, -inf, nan])
    def test_refused(self, seconds: float) -> None:
        """A negative or undefined time is no duration."""
        with pytest.raises(FormatError, match="invalid FSD"):
            duration.format(seconds)
