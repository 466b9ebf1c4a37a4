"""jobmgr update, with a daemon."""

import json

import pytest

from protocol.jobspec import set_attribute
from tests.cli.conftest import Jobmgr
from tests.conftest import DaemonProcess
from tests.e2e.jobs import events, simulated, submit, wait_for


@pytest.fixture
def held(jobmgr: Jobmgr) -> str:
    """A job of 30 minutes that does not start by itself."""
    return jobmgr("submit", "--urgency=hold", "-t", "30m", "true").stdout.strip()


def duration_of(jobmgr: Jobmgr, id_: str) -> float:
    """What the jobspec says, with its updates."""
    return float(json.loads(jobmgr("jobs", "-a", "--json", id_).stdout)["duration"])


def test_durations_are_set_and_changed(jobmgr: Jobmgr, held: str) -> None:
    """In Flux's form; with a sign they are relative; infinity is no limit."""
    seen = []
    for value in ("1h", "+30m", "-15m", "infinity"):
        assert jobmgr("update", held, f"duration={value}").exit_code == 0
        seen.append(duration_of(jobmgr, held))
    assert seen == [3600.0, 5400.0, 4500.0, 0.0]
    refused = jobmgr("update", held, "duration=+1m")
    assert refused.stderr == (f"jobmgr: duration for {held} is unlimited, can't update by +60s\n")


def test_short_names_are_paths(jobmgr: Jobmgr, held: str) -> None:
    """A dry run shows them as they are sent; what is refused is refused by its path."""
    shown = jobmgr("update", "-n", held, "name=night", "bank=ours", "duration=60")
    assert json.loads(shown.stdout) == {
        "attributes.system.job.name": "night",
        "attributes.system.bank": "ours",
        "attributes.system.duration": 60.0,
    }
    done = jobmgr("update", "-v", held, "name=night", "bank=ours")
    assert done.stdout.splitlines() == [
        "updated attributes.system.job.name to night",
        "updated attributes.system.bank to ours",
    ]
    assert jobmgr("jobs", "-n", "-o", "{name}", held).stdout == "night\n"
    refused = jobmgr("update", held, "cwd=/tmp")
    assert refused.exit_code == 1
    assert refused.stderr == (
        f"jobmgr: update {held}: update of attributes.system.cwd not supported\n"
    )
    short = jobmgr("update", held, "duration=-1h")
    assert "(30m) cannot be reduced by 1h" in short.stderr


def test_a_running_job_is_extended(shared_daemon: DaemonProcess, jobmgr: Jobmgr) -> None:
    """What would have ended it does not, and the time left says so."""
    jobspec = simulated(None)
    set_attribute(jobspec, "system.duration", 1.0)
    (id_,) = submit(shared_daemon, jobspec)
    wait_for(shared_daemon, id_, "start")
    assert jobmgr("update", str(id_), "duration=+1h").exit_code == 0
    left = int(jobmgr("job", "timeleft", str(id_)).stdout)
    assert 3590 < left <= 3601
    assert jobmgr("update", str(id_), "duration=1ms").exit_code == 1
    assert jobmgr("cancel", str(id_)).exit_code == 0
    seen = events(shared_daemon, id_)
    kinds = [event["context"]["type"] for event in seen if event["name"] == "exception"]
    assert kinds == ["cancel"]
