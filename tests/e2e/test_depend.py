"""Dependencies through a daemon on SQLite: over kill -9, on purged jobs, against purges."""

import time
from typing import Any

import pytest

from jobmgrd.client import RpcError
from protocol.jobspec import set_attribute
from tests.conftest import DaemonProcess
from tests.e2e.jobs import events, names, real, run_jobs, simulated, submit, wait_for


def waiting(*dependencies: tuple[str, object], name: str | None = None) -> dict[str, Any]:
    """The jobspec of a simulated job with dependencies."""
    jobspec = simulated(name=name)
    given = [{"scheme": scheme, "value": str(value)} for scheme, value in dependencies]
    set_attribute(jobspec, "system.dependencies", given)
    return jobspec


def test_dependencies_survive_a_kill(daemon: DaemonProcess) -> None:
    """Killed while jobs wait for the end of another, for its name, and for a time to come."""
    (target,) = submit(daemon, real("sleep", "60", name="sim"))
    wait_for(daemon, target, "start")
    soon = time.time() + 1.5
    ids = submit(
        daemon,
        waiting(("afterok", target)),
        waiting(("afterany", target)),
        waiting(("singleton", ""), name="sim"),
        waiting(("begin-time", soon)),
    )
    daemon.kill()
    daemon.start()
    daemon.rpc("job-manager.raise", {"id": target, "type": "cancel", "severity": 0})
    failed, *others = (events(daemon, id) for id in ids)
    (exception,) = [event["context"] for event in failed if event["name"] == "exception"]
    assert (exception["type"], exception["severity"]) == ("dependency", 0)
    for log in others:
        assert names(log)[1:4] == ["dependency-add", "validate", "dependency-remove"]
        assert names(log)[-3:] == ["release", "free", "clean"]
    assert next(e for e in others[-1] if e["name"] == "depend")["timestamp"] >= soon - 0.001


def test_a_job_that_is_depended_on_stays_until_nobody_does(daemon: DaemonProcess) -> None:
    """Over a kill, whatever the limits say; when it has gone, its tombstone still tells."""
    target, _ = run_jobs(daemon, 2)
    (id,) = submit(daemon, waiting(("afterok", target), ("begin-time", time.time() + 1000)))
    daemon.kill()
    daemon.start()
    purge = {"num_limit": 0, "force": True}
    assert daemon.rpc("job-manager.purge", purge)["count"] == 1
    assert daemon.rpc("job-manager.retention", {"id": target})["rule"] == "held"
    with pytest.raises(RpcError, match=r"job is held: the active job ƒ.* depends on it"):
        daemon.rpc("job-manager.purge-id", {"id": target, "force": True})
    daemon.rpc("job-manager.raise", {"id": id, "type": "cancel", "severity": 0})
    events(daemon, id)
    assert daemon.rpc("job-manager.purge", purge)["count"] == 2
    (last,) = submit(daemon, waiting(("afterok", target)))
    assert "alloc" in names(events(daemon, last))
