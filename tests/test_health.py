"""The usual troubles, one by one: what is found, and that nothing else is."""

from typing import Any

import pytest
from msgspec.structs import replace

from jobmgrd.health import (
    EPOCH,
    LAG,
    REFUSALS,
    ROOM_LOW,
    ROOM_OUT,
    STALLED,
    UNBOUNDED,
    Facts,
    examine,
    worst,
)
from jobmgrd.limits import LIMITS

WELL = Facts(
    now=EPOCH + 1,
    clock_jump=0.0,
    statedir="/state",
    mode=0o700,
    room=ROOM_LOW,
    reserve=True,
    unwritten="",
    waiting=STALLED,
    inactive=UNBOUNDED,
    limited=True,
    backlog=5,
    lag=LAG,
    blocked="",
    archive_error="",
    orphans=0,
    suppressed=0,
    refused=dict.fromkeys((*LIMITS, "keys", "handshakes"), REFUSALS - 1),
)


def test_who_is_well_is_told_so() -> None:
    """Every finding is ok, and none has advice to give."""
    findings = examine(WELL)
    assert worst(findings) == "ok"
    assert not any(finding.advice for finding in findings)
    assert len({finding.name for finding in findings}) == len(findings)


@pytest.mark.parametrize(
    ("changed", "name", "level", "says"),
    [
        ({"room": ROOM_LOW - 1}, "disk", "warning", "nearly full"),
        ({"room": ROOM_OUT - 1}, "disk", "error", "the disk is full"),
        ({"reserve": False}, "store-reserve", "error", "a purge may fail"),
        ({"unwritten": "no space"}, "store", "error", "writes fail: no space"),
        ({"mode": 0o755}, "state-directory", "error", "open to others (mode 0755)"),
        ({"room": None}, "disk", "error", "does not answer"),
        ({"waiting": STALLED + 1}, "store", "error", "not come back for 6 s"),
        ({"limited": False}, "limits", "warning", "no limit is set"),
        ({"lag": LAG + 1}, "purging", "warning", "601 s behind: 5 jobs"),
        ({"blocked": "no space"}, "purging", "error", "purging fails: no space"),
        ({"archive_error": "no space"}, "archive", "error", "nothing is purged: no space"),
        ({"clock_jump": -3600.0}, "clock", "error", "jumped by -3600 s"),
        ({"now": 1.0}, "clock", "error", "never set"),
        ({"orphans": 2}, "orphans", "warning", "2 records"),
        ({"suppressed": 7}, "log", "warning", "7 log lines"),
        (
            {"refused": {"requests": REFUSALS}},
            "refusals",
            "warning",
            "requests-per-peer 1000 times",
        ),
        ({"refused": {"keys": REFUSALS}}, "refusals", "warning", "1000 peers over tcp://"),
    ],
)
def test_each_trouble_is_found_with_advice(
    changed: dict[str, Any], name: str, level: str, says: str
) -> None:
    """And stands for the whole."""
    findings = examine(replace(WELL, **changed))
    (found,) = [finding for finding in findings if finding.level != "ok"]
    assert (found.name, found.level) == (name, level)
    assert says in found.text
    assert found.advice
    assert worst(findings) == level
