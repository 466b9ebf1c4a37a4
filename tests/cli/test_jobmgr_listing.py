"""jobmgr jobs with a daemon: which jobs, in which form."""

import json
import os
import subprocess
import sys

import click
import pytest

from protocol import jobid
from protocol.jobspec import set_attribute
from tests.cli.conftest import Jobmgr, against
from tests.conftest import DaemonProcess
from tests.e2e.jobs import events, simulated, start_queues, submit, wait_for


@pytest.fixture(scope="module")
def listed(shared_daemon: DaemonProcess) -> dict[str, str]:
    """Ids of a completed, a failed, a canceled, a running and a held job."""
    failing = simulated(queue="batch")
    set_attribute(failing, "system.exec.test.wait_status", 256)
    ids: dict[str, int] = {}
    (ids["completed"],) = submit(shared_daemon, simulated())
    events(shared_daemon, ids["completed"])
    shared_daemon.rpc("config.load", {"queues": {"batch": {}}})
    start_queues(shared_daemon)
    (ids["failed"],) = submit(shared_daemon, failing)
    events(shared_daemon, ids["failed"])
    shared_daemon.rpc("config.load", {})
    ids["canceled"], ids["running"] = submit(shared_daemon, simulated(None), simulated(None))
    for name in ("canceled", "running"):
        wait_for(shared_daemon, ids[name], "start")
    jobmgr = against(shared_daemon.uri)
    jobmgr("cancel", "-m", "enough", str(ids["canceled"]))
    events(shared_daemon, ids["canceled"])
    held = jobmgr("submit", "--urgency=hold", "--job-name=later", "true")
    ids["held"] = jobid.parse(held.stdout.strip())
    return {name: jobid.encode(id_) for name, id_ in ids.items()}


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], ["held", "running"]),
        (["-a"], ["held", "running", "canceled", "failed", "completed"]),
        (["-f", "failed,canceled"], ["canceled", "failed"]),
        (["-f", "R,CD"], ["running", "completed"]),
        (["-f", "pending"], ["held"]),
        (["-q", "batch", "-a"], ["failed"]),
        (["--name", "later"], ["held"]),
        (["--since", "1h"], ["held", "running", "canceled", "failed", "completed"]),
        (["--since", "now"], ["held", "running"]),
        (["--before", "now"], ["canceled", "failed", "completed"]),
        (["--before", "1h"], []),
        (["-u", str(os.getuid() + 1), "-a"], []),
        (["-A"], ["held", "running"]),
        (["-a", "--sort", "id"], ["completed", "failed", "canceled", "running", "held"]),
    ],
    ids=str,
)
def test_filters_choose_jobs(
    jobmgr: Jobmgr, listed: dict[str, str], words: list[str], names: list[str]
) -> None:
    """The pending, the running, then the ended, the last first."""
    result = jobmgr("jobs", "-n", "-o", "{id.f58}", *words)
    assert result.exit_code == 0, result.output
    assert result.stdout.split() == [listed[name] for name in names]


def test_the_default_has_a_queue_column_if_a_job_has_one(
    jobmgr: Jobmgr, listed: dict[str, str]
) -> None:
    """And INFO tells why a job ended."""
    heading, line = jobmgr("jobs", "-f", "failed").stdout.splitlines()
    assert heading.split() == [
        *("JOBID", "QUEUE", "USER", "NAME", "ST", "NTASKS", "NNODES", "TIME", "INFO")
    ]
    assert line.split()[:2] == [listed["failed"], "batch"]
    assert line.endswith("Exit 1")
    assert "QUEUE" not in jobmgr("jobs").stdout
    assert jobmgr("jobs", "-f", "CA").stdout.endswith("Canceled: enough\n")


@pytest.mark.usefixtures("listed")
def test_count_bounds_the_list_and_says_so(jobmgr: Jobmgr) -> None:
    """-n leaves that out, too; 0 is no bound."""
    result = jobmgr("jobs", "-a", "-c", "2")
    assert len(result.stdout.splitlines()) == 3
    assert result.stderr.startswith("jobmgr: jobs: there are more than 2; ")
    assert jobmgr("jobs", "-a", "-n", "-c2").stderr == ""
    assert jobmgr("jobs", "-a", "-c5").stderr == ""
    assert len(jobmgr("jobs", "-a", "-n", "-c0").stdout.splitlines()) == 5


def test_ids_are_listed_whatever_became_of_them(jobmgr: Jobmgr, listed: dict[str, str]) -> None:
    """Those that are not kept are named; filters do not apply."""
    result = jobmgr("jobs", "-n", "-o", "{name}", listed["failed"], listed["held"])
    assert (result.exit_code, result.stdout.split()) == (0, ["simulated", "later"])
    result = jobmgr("jobs", "-a", "-n", "-o", "{name}", "ƒ2", listed["held"])
    assert (result.exit_code, result.stdout) == (1, "later\n")
    assert result.stderr.splitlines() == [
        "jobmgr: jobs: JOBIDs were given, so filters are ignored",
        "jobmgr: job ƒ2: unknown job",
    ]


def test_json_is_json_alone(jobmgr: Jobmgr, listed: dict[str, str]) -> None:
    """An object with jobs; of a single id, the job itself."""
    found = json.loads(jobmgr("jobs", "-a", "--json", "-c2").stdout)["jobs"]
    assert [(job["name"], job["state"]) for job in found] == [
        ("later", "SCHED"),
        ("simulated", "RUN"),
    ]
    failed = json.loads(jobmgr("jobs", "--json", listed["failed"]).stdout)
    assert (failed["jobid"], failed["result"]) == (listed["failed"], "FAILED")


@pytest.mark.usefixtures("listed")
def test_lines_are_cut_and_colored_if_asked_for(jobmgr: Jobmgr) -> None:
    """A pipe gets plain lines of any length."""
    plain = jobmgr("jobs", "-f", "failed", "-n").stdout
    assert plain == click.unstyle(plain)
    colored = jobmgr("jobs", "-f", "failed", "-n", "--color").stdout
    assert colored == click.style(plain.rstrip("\n"), fg="red") + "\n"
    cut = jobmgr("jobs", "-f", "failed", "-w20").stdout.splitlines()
    assert [len(line) for line in cut] == [20, 20]
    assert all(line.endswith("+") for line in cut)


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize(("environ", "colored"), [({}, True), ({"NO_COLOR": "1"}, False)], ids=str)
def test_a_terminal_gets_colors(
    shared_daemon: DaemonProcess, environ: dict[str, str], colored: bool
) -> None:
    """Unless it does not want any."""
    ours, theirs = os.openpty()
    argv = [sys.executable, "-m", "jobmgrd.cli.jobmgr", "--uri", shared_daemon.uri]
    plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    subprocess.run([*argv, "jobs", "-f", "F"], stdout=theirs, env=plain | environ, check=True)
    os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        assert (b"\x1b[31m" in terminal.read(4096)) == colored


@pytest.mark.usefixtures("listed")
def test_a_format_of_the_wrong_type_is_one_line(jobmgr: Jobmgr) -> None:
    """It is known only once there is a job."""
    result = jobmgr("jobs", "-o", "{name:d}")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("jobmgr: invalid format: ")
    assert jobmgr("jobs", "-o", "help").stdout.startswith("default ")


@pytest.mark.usefixtures("listed")
def test_stats_count_by_state_and_exit_tells_of_activity(
    jobmgr: Jobmgr, daemon: DaemonProcess
) -> None:
    """Whatever did not succeed has failed; 1 if no job is active."""
    line = "1 running, 1 completed, 2 failed, 1 pending, 0 inactive purged"
    result = jobmgr("jobs", "--stats-only")
    assert (result.exit_code, result.stdout) == (0, f"{line}\n")
    assert jobmgr("jobs", "--stats").stdout.splitlines()[0] == line
    queue = jobmgr("jobs", "--stats-only", "-q", "batch")
    assert queue.stdout == "0 running, 0 completed, 1 failed, 0 pending, 0 inactive purged\n"
    assert queue.exit_code == 1
    refused = jobmgr("jobs", "--stats-only", "-q", "nowhere")
    assert refused.stderr == "jobmgr: no stats available for queue nowhere\n"
    assert against(daemon.uri)("jobs", "--stats-only").exit_code == 1
