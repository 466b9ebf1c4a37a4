"""Plugins of a real daemon: configured, refused, over a kill, and one that misbehaves."""

import subprocess
import sys
from pathlib import Path

import pytest

from protocol.errors import RpcError
from tests.cli.conftest import against
from tests.conftest import DaemonProcess
from tests.e2e.jobs import events, names, real, simulated, submit, wait_for

LIMITS = """
[[job-manager.plugins]]
load = "user-limits"
conf = {{ max-active = 3, max-running = {} }}
"""

BAD = """
import time
from jobmgrd.plugins import hookimpl

class Bad:
    def __init__(self, conf, manager):
        pass

    @hookimpl
    def validate(self, job):
        raise SystemExit(f"job {job.id}")

    @hookimpl
    def priority(self, job):
        time.sleep(60)
"""


def test_a_user_waits_for_a_place_over_a_kill(stopped_daemon: DaemonProcess) -> None:
    """With the limits of the configuration, and those of a reload."""
    daemon = stopped_daemon
    daemon.configure(LIMITS.format(1))
    daemon.start()
    running, second, third = submit(daemon, real("sleep", "60"), simulated(), simulated())
    wait_for(daemon, running, "start")
    with pytest.raises(RpcError, match="user has max number of active jobs: 3"):
        submit(daemon, simulated())
    daemon.kill()
    daemon.start()
    jobmgr = against(daemon.uri)
    listed = jobmgr("jobs", "-n", "-o", "{state} {dependencies}", str(second)).stdout
    assert listed == "DEPEND max-running-jobs-user-limit\n"
    daemon.configure(LIMITS.format(2))
    daemon.reload()
    for id in (second, third):
        assert names(events(daemon, id))[-1] == "clean"
    assert jobmgr("jobtap", "list").stdout == "user-limits\n"
    assert '"max-running": 2' in jobmgr("jobtap", "query", "user-limits").stdout
    assert jobmgr("jobtap", "query", "x").stderr == "jobmgr: jobtap query: x: plugin not found\n"


def test_a_plugin_that_misbehaves_stops_no_job(
    stopped_daemon: DaemonProcess, tmp_path: Path
) -> None:
    """It would end the daemon, and it hangs; stats say so."""
    (tmp_path / "bad.py").write_text(BAD)
    daemon = stopped_daemon
    daemon.environ["PYTHONPATH"] = str(tmp_path)
    daemon.configure('[[job-manager.plugins]]\nload = "bad:Bad"\n')
    daemon.start()
    (id,) = submit(daemon, simulated())
    assert names(events(daemon, id))[-1] == "clean"
    (stats,) = daemon.rpc("job-manager.stats-get")["plugins"]
    assert (stats["name"], stats["disabled"], stats["errors"]) == ("bad:Bad", True, 2)
    assert "did not return within 2 s" in stats["last_error"]


def test_a_plugin_that_cannot_be_loaded_is_fatal_at_start_and_refuses_a_reload(
    daemon: DaemonProcess,
) -> None:
    """With file, table and reason; what is in force stays."""
    daemon.configure('[heartbeat]\nperiod = "7s"\n[[job-manager.plugins]]\nload = "user-limit"\n')
    place = rf"{daemon.config}: \[job-manager\.plugins\[user-limit\]\]: "
    with pytest.raises(RpcError, match=place + r".*did you mean user-limits\?"):
        daemon.reload()
    assert daemon.rpc("config.get") == {}
    assert daemon.rpc("heartbeat.stats-get")["period"] == 2.0
    daemon.stop()
    for option in ("--check", f"--statedir={daemon.statedir}"):
        argv = [sys.executable, "-m", "jobmgrd.cli.daemon", f"--config={daemon.config}", option]
        argv += [f"--rundir={daemon.rundir}"]
        ended = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
        assert ended.returncode == 1
        assert "did you mean user-limits?" in ended.stderr
