"""A daemon starts whatever somebody wrote into its store: each value is put aside or begun anew."""

import sqlite3
from contextlib import closing

import pytest

from tests.conftest import DaemonProcess
from tests.e2e.jobs import events, names, run_jobs, simulated, submit, wait_for

CONFIG = """
[heartbeat]
period = "50ms"
[[resource.config]]
hosts = "n[0-1]"
cores = "0-3"
[[job-manager.retention]]
name = "failures"
result = ["failed"]
num-limit = 100
[job-manager.housekeeping]
command = ["sleep", "60"]
"""


@pytest.mark.parametrize("wrong", ["NULL", "x'fffe'", "CAST(x'fffe' AS TEXT)"])
def test_what_is_kept_beside_jobs_stops_no_start(stopped_daemon: DaemonProcess, wrong: str) -> None:
    """Switches, drains, housekeeping, rules, the executor's position, the epoch; and pins stay."""
    daemon = stopped_daemon
    daemon.configure(CONFIG)
    daemon.start()
    (running,) = submit(daemon, simulated(None))
    wait_for(daemon, running, "start")
    (pinned,) = submit(daemon, simulated(None))
    wait_for(daemon, pinned, "start")
    for topic, keys in (
        ("resource.drain", {"targets": "1", "reason": "test"}),
        ("job-manager.queue-enable", {"enable": False, "reason": "test", "all": False}),
        ("job-manager.pin", {"id": pinned, "reason": "test", "until": 9e9}),
        ("job-manager.raise", {"id": running, "type": "cancel", "severity": 0}),
    ):
        daemon.rpc(topic, keys)
    daemon.kill()
    with closing(sqlite3.connect(daemon.statedir / "jobs.sqlite", isolation_level=None)) as db:
        kept = {name for (name,) in db.execute("SELECT name FROM meta")}
        assert kept >= {"queues", "drains", "housekeeping", "retention", "exec", "epoch"}
        db.execute(f"UPDATE meta SET value = {wrong}")  # noqa: S608 - of the test
        db.execute(f"UPDATE pin SET reason = {wrong}, until = {wrong}, t = {wrong}")  # noqa: S608
    daemon.start()
    pins = [pin["id"] for pin in daemon.rpc("job-manager.pin-list")["pins"]]
    assert pins == [pinned]
    run_jobs(daemon, 2)
    daemon.rpc("job-manager.raise", {"id": pinned, "type": "cancel", "severity": 0})
    assert names(events(daemon, pinned))[-1] == "clean"
    assert daemon.rpc("job-manager.stats-get")["purge"]["epoch"]
