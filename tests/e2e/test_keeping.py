"""Retention rules, pins, explanations, dry runs, totals, orphans."""

import errno
import sqlite3
import time
from typing import Any

import pytest

from protocol.errors import RpcError
from protocol.jobspec import set_attribute
from tests.conftest import DaemonProcess
from tests.e2e.jobs import QUEUES, events, run_jobs, simulated, start_queues, submit, wait_for

RULES = """
[heartbeat]
period = "50ms"
[job-manager]
inactive-num-limit = {limit}
[[job-manager.retention]]
name = "failures"
result = "failed"
num-limit = 3
[[job-manager.retention]]
name = "batch"
queue = "batch"
age-limit = "0s"
"""


def failing() -> dict[str, Any]:
    """A job that fails."""
    jobspec = simulated()
    set_attribute(jobspec, "system.exec.test.wait_status", 256)
    return jobspec


def batch() -> dict[str, Any]:
    """A job of the queue batch."""
    return simulated(queue="batch")


def kept(daemon: DaemonProcess) -> set[int]:
    """The ids of inactive jobs."""
    reply = daemon.rpc("job-list.list", {"max_entries": 0, "states": 64})
    return {job["id"] for job in reply["jobs"]}


def run_all(daemon: DaemonProcess, *jobspecs: dict[str, Any]) -> list[int]:
    """Run jobs one after the other, so that they end in this order."""
    ids = []
    for jobspec in jobspecs:
        ids += submit(daemon, jobspec)
        events(daemon, ids[-1])
    return ids


def until(daemon: DaemonProcess, wanted: set[int]) -> None:
    """Wait for pulses until exactly these jobs are kept."""
    with daemon.client() as client, client.subscribe("heartbeat.pulse") as pulses:
        for _ in range(200):
            if kept(daemon) == wanted:
                return
            next(pulses)
    assert kept(daemon) == wanted


def test_each_rule_has_its_own_limits_within_the_global_one(
    stopped_daemon: DaemonProcess,
) -> None:
    """The first rule that matches is the job's; the global limit bounds the rest."""
    daemon = stopped_daemon
    daemon.configure('[heartbeat]\nperiod = "50ms"\n' + QUEUES)
    daemon.start()
    start_queues(daemon)
    bad = run_all(daemon, *[failing()] * 5)
    good = run_all(daemon, *[simulated()] * 6)
    run_all(daemon, batch())
    daemon.configure(RULES.format(limit=8))
    daemon.rpc("config.reload")
    until(daemon, {*bad[3:], *good})
    reply = daemon.rpc("job-manager.retention", {"id": bad[4]})
    assert (reply["rule"], reply["place"], reply["count"]) == ("failures", 1, 2)


def test_a_reload_applies_to_old_jobs_too(stopped_daemon: DaemonProcess) -> None:
    """Jobs that ended under other rules are classed anew, in the background."""
    daemon = stopped_daemon
    daemon.configure('[heartbeat]\nperiod = "50ms"\n')
    daemon.start()
    bad = run_all(daemon, *[failing()] * 5)
    good = run_all(daemon, *[simulated()] * 3)
    daemon.configure(RULES.format(limit=-1))
    daemon.rpc("config.reload")
    until(daemon, {*bad[2:], *good})
    daemon.configure('[heartbeat]\nperiod = "50ms"\n')
    daemon.rpc("config.reload")
    reply = daemon.rpc("job-manager.retention", {"id": good[0]})
    assert reply["why"] == "no limit applies: kept for ever"


def test_a_reload_applies_over_a_kill(stopped_daemon: DaemonProcess) -> None:
    """What was not classed anew before the daemon died is classed by the next."""
    daemon = stopped_daemon
    daemon.start()
    bad = run_all(daemon, *[failing()] * 5)
    daemon.kill()
    daemon.configure(RULES.format(limit=-1))
    daemon.start()
    until(daemon, set(bad[2:]))


def test_pinned_jobs_stay_and_are_not_counted(daemon: DaemonProcess) -> None:
    """A pin holds over purges, restarts and the job's end; it may be taken away."""
    history = run_jobs(daemon, 5)
    running = submit(daemon, simulated(None))[0]
    wait_for(daemon, running, "start")
    for id in (history[0], running):
        daemon.rpc("job-manager.pin", {"id": id, "reason": "evidence"})
    request = {"id": running, "type": "cancel", "severity": 0}
    daemon.rpc("job-manager.raise", request)
    events(daemon, running)
    daemon.kill()
    daemon.start()
    pins = daemon.rpc("job-manager.pin-list")["pins"]
    assert [(pin["id"], pin["reason"]) for pin in pins] == [
        (id, "evidence") for id in sorted((history[0], running))
    ]
    assert daemon.rpc("job-manager.purge", {"num_limit": 2})["count"] == 2
    daemon.rpc("job-manager.purge", {"num_limit": 0, "force": True})
    assert kept(daemon) == {history[0], running}
    with pytest.raises(RpcError, match="job is pinned: evidence"):
        daemon.rpc("job-manager.purge-id", {"id": history[0], "force": True})
    reply = daemon.rpc("job-manager.retention", {"id": history[0]})
    assert reply["rule"] == "pinned"
    assert "evidence" in reply["why"]
    daemon.rpc("job-manager.unpin", {"id": history[0]})
    daemon.rpc("job-manager.purge", {"num_limit": 0, "force": True})
    assert kept(daemon) == {running}


def test_a_pin_expires(stopped_daemon: DaemonProcess) -> None:
    """At the first pulse after its end the job is as any other."""
    daemon = stopped_daemon
    daemon.configure('[heartbeat]\nperiod = "50ms"\n')
    daemon.start()
    id = run_jobs(daemon, 1)[0]
    until_time = time.time() + 0.3
    daemon.rpc("job-manager.pin", {"id": id, "reason": "for a moment", "until": until_time})
    daemon.configure('[heartbeat]\nperiod = "50ms"\n[job-manager]\ninactive-num-limit = 0\n')
    daemon.rpc("config.reload")
    until(daemon, set())
    assert time.time() >= until_time


def test_what_cannot_be_pinned_is_refused(daemon: DaemonProcess) -> None:
    """Each with its reason."""
    inactive, purged = run_jobs(daemon, 2)
    daemon.rpc("job-manager.purge-id", {"id": purged, "force": True})
    for keys, text, errnum in (
        ({"id": purged, "reason": "x"}, "unknown job: it was purged", errno.ENOENT),
        ({"id": 12345, "reason": "x"}, "^unknown job$", errno.ENOENT),
        ({"id": inactive, "reason": ""}, "needs a reason", errno.EINVAL),
        ({"id": inactive, "reason": "x", "until": 1.0}, "in the past", errno.EINVAL),
    ):
        with pytest.raises(RpcError, match=text) as caught:
            daemon.rpc("job-manager.pin", keys)
        assert caught.value.errnum == errnum
    with pytest.raises(RpcError, match="job is not pinned"):
        daemon.rpc("job-manager.unpin", {"id": inactive})


def test_a_dry_run_lists_what_would_go_and_force_lists_what_went(daemon: DaemonProcess) -> None:
    """The same jobs, with attributes and the reason of each."""
    history = run_jobs(daemon, 6)
    request = {"num_limit": 2, "attrs": ["name", "result"]}
    dry = daemon.rpc("job-manager.purge", request)
    assert dry["count"] == 4
    assert [job["id"] for job in dry["jobs"]] == history[:4]
    wet = daemon.rpc("job-manager.purge", request | {"force": True})
    assert wet["jobs"] == dry["jobs"]
    assert {job["reason"] for job in wet["jobs"]} == {"number limit"}
    assert {job["name"] for job in wet["jobs"]} == {"simulated"}
    with pytest.raises(RpcError, match="nosuch is not a valid attribute"):
        daemon.rpc("job-manager.purge", {"num_limit": 2, "attrs": ["nosuch"]})


def test_retention_explains_every_kind_of_job(stopped_daemon: DaemonProcess) -> None:
    """Active, kept by limits, purged, unknown."""
    daemon = stopped_daemon
    daemon.configure(
        '[job-manager]\ninactive-age-limit = "1h"\ninactive-num-limit = 5\n'
        '[heartbeat]\nperiod = "1h"\n'
    )
    daemon.start()
    history = run_jobs(daemon, 3)
    active = submit(daemon, simulated(None))[0]
    reply = daemon.rpc("job-manager.retention", {"id": history[1]})
    assert (reply["state"], reply["rule"], reply["place"]) == ("inactive", "default", 1)
    assert reply["beyond"] == 4
    assert reply["age_limit"] == 3600.0
    assert "goes by age in" in reply["why"]
    assert "when 4 more jobs have ended" in reply["why"]
    assert daemon.rpc("job-manager.retention", {"id": active})["state"] == "active"
    daemon.rpc("job-manager.purge-id", {"id": history[0], "force": True})
    with pytest.raises(RpcError, match=r"it was purged at .* by purge-id"):
        daemon.rpc("job-manager.retention", {"id": history[0]})
    with pytest.raises(RpcError, match=r"^unknown job$"):
        daemon.rpc("job-manager.retention", {"id": 99})


def test_totals_never_go_down(daemon: DaemonProcess) -> None:
    """Kept over purges and restarts, by result, queue and day."""
    run_all(daemon, simulated(), failing())
    daemon.rpc("config.load", {"queues": {"batch": {}}})
    start_queues(daemon)
    run_all(daemon, batch())
    before = daemon.rpc("job-manager.stats-get")["totals"]
    assert before == {
        "ended": 3,
        "completed": 2,
        "failed": 1,
        "canceled": 0,
        "timeout": 0,
        "queues": {"": 2, "batch": 1},
    }
    daemon.rpc("job-manager.purge", {"num_limit": 0, "force": True})
    daemon.kill()
    daemon.start()
    assert daemon.rpc("job-manager.stats-get")["totals"] == before
    days = daemon.rpc("job-manager.totals")["totals"]
    assert sum(row["n"] for row in days) == 3


def test_an_orphan_is_put_aside_listed_and_purged_by_id(daemon: DaemonProcess) -> None:
    """It never blocks the start, and never counts as inactive."""
    id = submit(daemon, simulated(None))[0]
    wait_for(daemon, id, "start")
    daemon.kill()
    with sqlite3.connect(daemon.statedir / "jobs.sqlite") as db:
        db.execute("UPDATE active SET eventlog = x'00'")
    db.close()
    for _ in range(2):  # and it stays an orphan
        daemon.start()
        (orphan,) = daemon.rpc("job-manager.orphans")["orphans"]
        assert orphan["id"] == id
        assert "eventlog" in orphan["reason"]
        daemon.kill()
    daemon.start()
    stats = daemon.rpc("job-manager.stats-get")
    assert (stats["orphans"], stats["inactive_jobs"], stats["active_jobs"]) == (1, 0, 0)
    assert run_jobs(daemon, 1)[0] > id
    assert daemon.rpc("job-manager.purge-id", {"id": id, "force": True})["count"] == 1
    assert daemon.rpc("job-manager.orphans") == {"orphans": []}
