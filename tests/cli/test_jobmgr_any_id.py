"""Every command that takes a job id, with an active, an inactive, a purged and an unknown one."""

from typing import NamedTuple

import pytest

from protocol import jobid
from tests.cli.conftest import Jobmgr, against
from tests.conftest import DaemonProcess
from tests.e2e.jobs import run_jobs

UNKNOWN = 3


class Ids(NamedTuple):
    """A job of each kind."""

    active: str
    inactive: str
    purged: str


@pytest.fixture(scope="module")
def ids(shared_daemon: DaemonProcess) -> Ids:
    """A held job, one that has ended, and one that is purged."""
    jobmgr = against(shared_daemon.uri)
    purged, inactive = run_jobs(shared_daemon, 2)
    assert jobmgr("job", "purge", "--force", str(purged)).exit_code == 0
    active = jobmgr("submit", "--urgency=hold", "true").stdout.strip()
    return Ids(active, jobid.encode(inactive), jobid.encode(purged))


COMMANDS = [
    "cancel {}",
    "job eventlog {}",
    "job info {} jobspec",
    "job kill {}",
    "job memo {} a=1",
    "job pin {} --reason x",
    "job purge {}",
    "job purge --force {}",
    "job raise {}",
    "job retention {}",
    "job status {}",
    "job timeleft {}",
    "job unpin {}",
    "job urgency {} 0",
    "job wait {}",
    "job wait-event {} submit",
    "jobs {}",
    "update {} duration=1h",
]
"""With {} for the id."""

OF_ACTIVE = {
    "job kill {}": "job is not running",
    "job purge {}": "cannot purge active job",
    "job purge --force {}": "cannot purge active job",
    "job timeleft {}": "job has not started",
    "job unpin {}": "job is not pinned",
}
"""Refusals of a pending job."""

OF_INACTIVE = {
    "cancel {}": "job is inactive",
    "job kill {}": "job is inactive",
    "job memo {} a=1": "job is inactive",
    "job raise {}": "job is inactive",
    "job unpin {}": "job is not pinned",
    "job urgency {} 0": "job is inactive",
    "update {} duration=1h": "job is inactive",
}
"""Refusals of a job that has ended."""

LEAVES_IT = [command for command in COMMANDS if command not in ("cancel {}", "job raise {}")]
WAITS = ("job status {}", "job wait {}")


def run(jobmgr: Jobmgr, command: str, id_: str) -> tuple[int, str]:
    """The exit code, and what was complained of."""
    result = jobmgr(*(id_ if word == "{}" else word for word in command.split()))
    return result.exit_code, result.stderr


def refused(jobmgr: Jobmgr, command: str, id_: str, text: str) -> None:
    """Expect one line that names the job and says why."""
    code, errors = run(jobmgr, command, id_)
    assert code == 1
    assert errors.startswith("jobmgr: ")
    assert id_ in errors
    assert text in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize("command", [c for c in LEAVES_IT if c not in WAITS])
def test_of_an_active_job(jobmgr: Jobmgr, ids: Ids, command: str) -> None:
    """What cannot be done to it is said."""
    if command in OF_ACTIVE:
        refused(jobmgr, command, ids.active, OF_ACTIVE[command])
    else:
        assert run(jobmgr, command, ids.active) == (0, "")
        run(jobmgr, "job unpin {}", ids.active)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c != "job purge --force {}"])
def test_of_an_inactive_job(jobmgr: Jobmgr, ids: Ids, command: str) -> None:
    """It can be looked at, but not changed."""
    if command in OF_INACTIVE:
        refused(jobmgr, command, ids.inactive, OF_INACTIVE[command])
    else:
        assert run(jobmgr, command, ids.inactive) == (0, "")
        run(jobmgr, "job unpin {}", ids.inactive)


@pytest.mark.parametrize("command", COMMANDS)
def test_of_a_purged_job(jobmgr: Jobmgr, ids: Ids, command: str) -> None:
    """When and how it went, and how it had ended."""
    refused(jobmgr, command, ids.purged, ": it was purged at 2")
    _, errors = run(jobmgr, command, ids.purged)
    assert errors.endswith(" by purge-id (seq 1; the job had completed)\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_of_an_unknown_job(jobmgr: Jobmgr, command: str) -> None:
    """Nothing is known of it, so nothing of a purge is said."""
    refused(jobmgr, command, jobid.encode(UNKNOWN), "")
    assert "purged" not in run(jobmgr, command, jobid.encode(UNKNOWN))[1]
