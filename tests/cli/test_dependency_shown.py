"""How dependencies are shown."""

from datetime import datetime

import pytest

from jobmgrd.cli.submission.dependency import shown

NOW = datetime(2026, 11, 22, 12, 0, 0).astimezone()


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (NOW.replace(hour=18, minute=5), "begin@18:05"),
        (NOW.replace(hour=18, minute=5, second=7), "begin@18:05:07"),
        (NOW.replace(day=24, hour=8), "begin@Nov24-08:00"),
    ],
)
def test_a_begin_time_is_a_time_of_day(moment: datetime, text: str) -> None:
    """With its date unless that is today (flux-core job/info.py)."""
    assert shown(f"begin-time={moment.timestamp():.3f}", NOW.timestamp()) == text


@pytest.mark.parametrize(
    "description", ["after-success=ƒ1", "singleton", "begin-time=soon", "begin-time=1e300"]
)
def test_others_are_shown_as_they_are(description: str) -> None:
    """And so is a time that no calendar has."""
    assert shown(description, NOW.timestamp()) == description
