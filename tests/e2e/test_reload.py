"""Configuration of a running daemon."""

import errno
import signal
from pathlib import Path

import pytest

from protocol.errors import RpcError
from tests.conftest import DaemonProcess


def period(daemon: DaemonProcess) -> float:
    """The heartbeat's period in force."""
    return float(daemon.rpc("heartbeat.stats-get")["period"])


def test_a_reload_takes_effect(daemon: DaemonProcess) -> None:
    """config.reload reads the file again."""
    daemon.configure('[heartbeat]\nperiod = "7s"\n')
    daemon.rpc("config.reload")
    assert period(daemon) == 7.0
    assert daemon.rpc("config.get") == {"heartbeat": {"period": "7s"}}


def test_a_wrong_reload_changes_nothing(daemon: DaemonProcess) -> None:
    """The error says file, table, key and what was expected."""
    daemon.configure('[heartbeat]\nperiod = "7s"\n[job-manager]\ninactive-age-limit = 5\n')
    with pytest.raises(RpcError, match=r"jobmgrd.toml: .*job-manager.*inactive-age-limit.*") as e:
        daemon.rpc("config.reload")
    assert "Expected string" in str(e.value)
    assert e.value.errnum == errno.EINVAL
    assert period(daemon) == 2.0
    assert daemon.rpc("config.get") == {}


def test_load_replaces_the_configuration(daemon: DaemonProcess) -> None:
    """config.load takes the tables from the request."""
    daemon.rpc("config.load", {"heartbeat": {"period": "9s"}})
    assert period(daemon) == 9.0
    with pytest.raises(RpcError, match="invalid FSD"):
        daemon.rpc("config.load", {"job-manager": {"inactive-age-limit": "notfsd"}})
    with pytest.raises(RpcError, match="must be >= 0"):
        daemon.rpc("config.load", {"job-manager": {"inactive-num-limit": -42}})
    assert period(daemon) == 9.0


def test_SIGHUP_reloads(daemon: DaemonProcess) -> None:  # noqa: N802
    """As config.reload; what it concerns is published at the new pace."""
    daemon.configure('[heartbeat]\nperiod = "20ms"\n')
    with daemon.client() as client, client.subscribe("heartbeat.pulse") as pulses:
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGHUP)
        next(pulses), next(pulses), next(pulses)
    assert period(daemon) == 0.02


@pytest.mark.parametrize(
    ("toml", "text"),
    [
        ("[job-manager]\ninactive-age-limit = 5\n", "Expected string"),
        ('[job-manager]\ninactive-age-limit = "notfsd"\n', "invalid FSD"),
        ("[job-manager]\ninactive-num-limit = -42\n", "must be >= 0"),
        ("[job-manager]\ninactive-num-limt = 4\n", "inactive-num-limit"),
        ("this is not TOML", "line 1"),
    ],
)
def test_a_wrong_file_is_fatal_at_start(
    stopped_daemon: DaemonProcess, toml: str, text: str
) -> None:
    """One line that says what is wrong, exit code 1, no traceback."""
    stopped_daemon.configure(toml)
    assert stopped_daemon.spawn().wait(20) == 1
    said = stopped_daemon.log.read_text()
    assert text in said
    assert "Traceback" not in said


def test_a_config_that_is_a_directory(stopped_daemon: DaemonProcess) -> None:
    """All its *.toml files, or an error if it has none."""
    directory = stopped_daemon.directory / "conf"
    directory.mkdir()
    stopped_daemon.config = Path(directory)
    assert stopped_daemon.spawn().wait(20) == 1
    assert "conf" in stopped_daemon.log.read_text()
    (directory / "a.toml").write_text('[heartbeat]\nperiod = "3s"\n')
    stopped_daemon.start()
    assert period(stopped_daemon) == 3.0
