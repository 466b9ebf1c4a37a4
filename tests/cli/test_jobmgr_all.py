"""jobmgr with a daemon: what concerns all of a user's jobs, and jobs that are waited for."""

import os

import pytest

from protocol import jobid
from tests.cli.conftest import Jobmgr
from tests.conftest import DaemonProcess
from tests.e2e.jobs import events, real, simulated, submit, wait_for


@pytest.fixture(autouse=True)
def nothing_active(jobmgr: Jobmgr) -> None:
    """Each test begins without active jobs."""
    jobmgr("cancel", "-q", "--all")


def submit_held(jobmgr: Jobmgr, count: int) -> list[str]:
    """Submit jobs that never start by themselves; their ids."""
    return [jobmgr("submit", "--urgency=hold", "true").stdout.strip() for _ in range(count)]


def test_cancel_counts_what_it_cancels(shared_daemon: DaemonProcess, jobmgr: Jobmgr) -> None:
    """By state and by user; a dry run says so and changes nothing."""
    held = submit_held(jobmgr, 2)
    (running,) = submit(shared_daemon, simulated(None))
    wait_for(shared_daemon, running, "start")
    assert jobmgr("cancel", "-n", "--all").stdout == "would cancel 3 jobs\n"
    assert jobmgr("cancel", "-n", *held).stdout == "would cancel 2 jobs\n"
    assert jobmgr("cancel", "-S", "pending", "-m", "enough").stdout == "canceled 2 jobs\n"
    assert events(shared_daemon, jobid.parse(held[0]))[-2]["context"]["note"] == "enough"
    assert jobmgr("cancel", "-u", str(os.getuid() + 1)).stdout == "canceled 0 jobs\n"
    assert jobmgr("cancel", "-q", "-u", str(os.getuid() + 1)).stdout == ""
    assert jobmgr("cancel", "-u", "all", "-S", "run").stdout == "canceled 1 job\n"
    assert events(shared_daemon, running)[-1]["name"] == "clean"


def test_a_thousand_jobs_are_cancelled_in_a_second(
    shared_daemon: DaemonProcess, jobmgr: Jobmgr
) -> None:
    """One request, and all of them end."""
    test = {"system.exec.test.run_duration": "0"}
    ids = submit(shared_daemon, *[simulated(None, attributes=test)] * 1000)
    assert jobmgr("cancel", "--all").stdout == "canceled 1000 jobs\n"
    ended = [events(shared_daemon, id)[-1]["timestamp"] for id in (ids[0], ids[-1])]
    asked = [e for e in events(shared_daemon, ids[-1]) if e["name"] == "exception"]
    assert max(ended) - asked[0]["timestamp"] < 1.0
    assert shared_daemon.rpc("job-manager.stats-get")["active_jobs"] == 0


def test_all_jobs_are_remarked_and_signaled_when_confirmed(
    shared_daemon: DaemonProcess, jobmgr: Jobmgr
) -> None:
    """Without --force, both say how many jobs there are and what to type."""
    submit_held(jobmgr, 1)
    (running,) = submit(shared_daemon, simulated(None))
    wait_for(shared_daemon, running, "start")
    counted = jobmgr("job", "raiseall", "note", "power", "saving")
    assert counted.stdout == "matched 2 jobs (-f to confirm)\n"
    raised = jobmgr("job", "raiseall", "-f", "-S", "run", "note", "power", "saving")
    assert raised.stdout == "raised exception on 1 job\n"
    assert jobmgr("job", "killall").stdout == "matched 1 job (-f to confirm)\n"
    assert jobmgr("job", "killall", "-f").stdout == "signaled 1 job\n"
    seen = events(shared_daemon, running)
    remark = next(event for event in seen if event["name"] == "exception")
    assert (remark["context"]["severity"], remark["context"]["note"]) == (7, "power saving")
    assert next(e for e in seen if e["name"] == "finish")["context"] == {"status": 15}
    assert jobmgr("cancel", "--all").exit_code == 0
    assert jobmgr("job", "killall", "-f").stdout == "signaled 0 jobs\n"
    assert jobmgr("job", "raiseall", "note").stdout == "matched 0 jobs\n"


def test_waitable_jobs_are_told_once(shared_daemon: DaemonProcess, jobmgr: Jobmgr) -> None:
    """One by one in the order of their ends, or all; exit codes are those of flux job wait."""
    with shared_daemon.client() as client:
        for jobspec in (real("true"), real("sh", "-c", "exit 3"), real("true")):
            request = {"jobspec": jobspec, "flags": 4}
            events(shared_daemon, client.rpc("job-ingest.submit", request)["id"])
    first, second = jobmgr("job", "wait"), jobmgr("job", "wait")
    assert first.exit_code == 0
    assert second.exit_code == 1
    assert second.stderr == "jobmgr: task(s) exited with exit code 3\n"
    third = jobmgr("job", "wait", "-a", "-v")
    assert third.exit_code == 0
    assert third.stdout.endswith(": job completed successfully\n")
    assert len({first.stdout.strip(), second.stdout.strip(), third.stdout.split(":")[0]}) == 3
    assert jobmgr("job", "wait", "--all").exit_code == 0
    none = jobmgr("job", "wait")
    assert none.exit_code == 2
    assert none.stderr == "jobmgr: wait: there are no more waitable jobs\n"
