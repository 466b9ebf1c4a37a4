"""Points in time on the command line."""

import time
from datetime import UTC, datetime

import click
import pytest

from jobmgrd.cli.words.when import FUTURE, PAST, WhenType, iso

DAY = 86400.0


@pytest.mark.parametrize(
    ("kind", "text", "distance"),
    [
        (PAST, "1d", -DAY),
        (PAST, "-1d", -DAY),
        (PAST, "+1d", DAY),
        (FUTURE, "1d", DAY),
        (FUTURE, "-1d", -DAY),
        (PAST, "now", 0.0),
    ],
    ids=str,
)
def test_a_duration_is_a_distance_from_now(kind: WhenType, text: str, distance: float) -> None:
    """Back or ahead, as the option means it, unless a sign says."""
    assert kind.convert(text, None, None) == pytest.approx(time.time() + distance, abs=5)


def test_a_date_is_local_unless_it_says() -> None:
    """ISO 8601, with or without a time; what was converted stays as it is."""
    assert PAST.convert("2026-01-01T00:00Z", None, None) == 1767225600.0
    assert PAST.convert("2026-01-01", None, None) == datetime(2026, 1, 1).timestamp()  # noqa: DTZ001
    assert PAST.convert(3.5, None, None) == 3.5


@pytest.mark.parametrize("text", ["", "yesterday", "1x", "--1d", "inf", "1e300d", "9999-99-99"])
def test_anything_else_is_refused(text: str) -> None:
    """Also what no date can reach."""
    with pytest.raises(click.BadParameter):
        PAST.convert(text, None, None)


def test_a_time_is_written_so_that_it_reads_back() -> None:
    """Local, with its zone; 0.0 is no time."""
    t = datetime(2026, 11, 22, 18, tzinfo=UTC).timestamp()
    assert PAST.convert(iso(t), None, None) == t
    assert iso(0.0) == "-"
