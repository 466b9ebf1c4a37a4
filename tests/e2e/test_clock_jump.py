"""A wall clock that jumps by a year purges nothing wrongly."""

import pytest

from tests.conftest import DaemonProcess
from tests.e2e.jobs import run_jobs

YEAR = 365 * 86400.0
LIMITED = '[heartbeat]\nperiod = "30ms"\n[job-manager]\ninactive-age-limit = "1h"\n'


@pytest.mark.parametrize("jump", [YEAR, -YEAR])
def test_nothing_is_purged_for_a_jump_until_somebody_says_that_it_is_right(
    stopped_daemon: DaemonProcess, jump: float
) -> None:
    """It is logged and shown; a reload takes the new time over."""
    daemon = stopped_daemon
    offset = daemon.directory / "offset"
    offset.write_text("0")
    daemon.module = "tests.e2e.daemon_under_test"
    daemon.environ = {"WALL_OFFSET": str(offset)}
    daemon.configure(LIMITED)
    daemon.start()
    run_jobs(daemon, 3)
    with daemon.client() as client, client.subscribe("heartbeat.pulse") as pulses:
        offset.write_text(str(jump))
        for _ in range(10):
            next(pulses)
        stats = client.rpc("job-manager.stats-get")
        assert stats["inactive_jobs"] == 3
        assert stats["clock_jump"] == pytest.approx(jump, abs=60)
        assert "clock.jumped" in daemon.log.read_text()
        client.rpc("config.reload")
        for _ in range(10):
            next(pulses)
        stats = client.rpc("job-manager.stats-get")
    assert stats["clock_jump"] == 0.0
    assert stats["inactive_jobs"] == (0 if jump > 0 else 3)
