"""jobmgr with a daemon: jobs that wait for others."""

import json

from tests.cli.conftest import Jobmgr

SIMULATED = "--setattr=exec.test.run_duration=1ms"


def test_a_job_waits_for_another(jobmgr: Jobmgr) -> None:
    """Its line says for what, and a cancel of the one ends the other with a reason."""
    first = jobmgr("submit", "--urgency=hold", "true").stdout.strip()
    second = jobmgr("submit", f"--dependency=afterok:{first}", SIMULATED, "true").stdout.strip()
    listed = jobmgr("jobs", "-n", "-o", "{id.f58} {state} {dependencies}", second)
    assert listed.stdout == f"{second} DEPEND after-success={first}\n"
    assert f"depends:after-success={first}" in jobmgr("jobs", second).stdout
    job = json.loads(jobmgr("jobs", "--json", second).stdout)
    assert job["dependencies"] == [f"after-success={first}"]
    jobmgr("cancel", first)
    status = jobmgr("job", "status", "-v", second)
    assert status.exit_code == 1
    assert f"dependency after-success={first} job never started" in status.stdout


def test_a_begin_time_is_shown_as_a_time_of_day(jobmgr: Jobmgr) -> None:
    """And an hour from now has not come."""
    id_ = jobmgr("submit", "--begin-time=+1h", "true").stdout.strip()
    assert "depends:begin@" in jobmgr("jobs", id_).stdout
    jobmgr("cancel", id_)


def test_a_dependency_that_cannot_be_is_refused_with_a_reason(jobmgr: Jobmgr) -> None:
    """And prints no id."""
    refused = jobmgr("submit", "--dependency=afterok:ƒ2", "true")
    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert refused.stderr == ("jobmgr: submit: dependency: afterok: id ƒ2: job not found\n")
