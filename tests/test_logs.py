"""Logs: one line an event, on stderr alone, whatever the values hold."""

import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from jobmgrd import logs


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    """Leaves structlog and the root logger as they were."""
    root = logging.getLogger()
    handlers = list(root.handlers)
    yield
    root.handlers[:] = handlers
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was logged as JSON since the last look; nothing may be on stdout."""
    out, err = capsys.readouterr()
    assert out == ""
    return [json.loads(line) for line in err.splitlines()]


def test_json_is_an_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Event, level, time in UTC and keys; a newline in a value does not end the line."""
    logs.configure("info", "json")
    structlog.get_logger().info("purge.done", jobs=100, reason="a\nb")
    (line,) = lines(capsys)
    stamp = datetime.fromisoformat(line.pop("timestamp"))
    assert stamp.tzinfo == UTC
    assert abs(datetime.now(UTC) - stamp) < timedelta(minutes=1)
    assert line == {"event": "purge.done", "level": "info", "jobs": 100, "reason": "a\nb"}


def test_auto_is_json_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A service's stderr is read by programs."""
    logs.configure("info", "auto")
    structlog.get_logger().info("start")
    assert lines(capsys)[0]["event"] == "start"


def test_auto_is_for_people_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who starts the daemon by hand sees no JSON."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    logs.configure("info", "auto")
    structlog.get_logger().info("start")
    err = capsys.readouterr().err
    assert "start" in err
    assert "{" not in err


def test_console_passes_no_control_characters_of_a_value(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A client's text cannot forge a line or drive the terminal."""
    logs.configure("info", "console")
    structlog.get_logger().info("memo", note="x\n\x1b[2J")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "\x1b" not in err
    assert "memo" in err


def test_level_hides_what_is_below_and_may_change(capsys: pytest.CaptureFixture[str]) -> None:
    """A reload changes the level of loggers that are in use."""
    log = structlog.get_logger()
    logs.configure("warning", "json")
    log.info("hidden")
    log.warning("shown")
    logs.configure("debug", "json")
    log.debug("shown too")
    assert [line["event"] for line in lines(capsys)] == ["shown", "shown too"]


def test_an_exception_is_structured_and_shows_no_locals(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Type, value and frames are keys; variables, which may hold secrets, are left out."""
    logs.configure("info", "json")
    secret = "hunter" + str(2)
    try:
        int(secret[:6])
    except ValueError:
        structlog.get_logger().exception("handler.failed")
    (line,) = lines(capsys)
    assert line["exception"][0]["exc_type"] == "ValueError"
    assert line["exception"][0]["frames"][0]["lineno"] > 0
    assert secret not in str(line)


def test_standard_logging_takes_the_same_way_once(capsys: pytest.CaptureFixture[str]) -> None:
    """What asyncio reports is an event, too, and one event however often logs are configured."""
    logs.configure("info", "json")
    logs.configure("info", "json")
    logging.getLogger("asyncio").error("Task %s", "failed")
    (line,) = lines(capsys)
    assert (line["event"], line["logger"], line["level"]) == ("stdlib", "asyncio", "error")
    assert line["message"] == "Task failed"


def test_a_reader_that_went_away_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed pipe on stderr costs log lines, not the daemon."""

    def fail(_text: str) -> int:
        raise BrokenPipeError

    logs.configure("info", "json")
    monkeypatch.setattr(sys.stderr, "write", fail)
    structlog.get_logger().info("lost")


def test_an_unknown_level_is_refused() -> None:
    """A level is one of four names."""
    with pytest.raises(KeyError):
        logs.configure("loud", "json")
