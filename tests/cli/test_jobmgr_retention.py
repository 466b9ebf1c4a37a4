"""jobmgr with a daemon: pins, why a job is kept, orphans, totals, and purges as they happen."""

import json
import sqlite3
from datetime import datetime

import pytest

from protocol import jobid
from tests.cli.conftest import Jobmgr, against
from tests.conftest import DaemonProcess
from tests.e2e.jobs import run_jobs, simulated, submit, wait_for


@pytest.fixture
def history(shared_daemon: DaemonProcess) -> list[str]:
    """Five inactive jobs, and no others."""
    against(shared_daemon.uri)("job", "purge", "--all", "--force")
    return [jobid.encode(id_) for id_ in run_jobs(shared_daemon, 5)]


def test_a_pin_is_listed_with_its_reason_and_end(jobmgr: Jobmgr, history: list[str]) -> None:
    """As a table for people, as JSON for programs; unpin takes it away."""
    result = jobmgr("job", "pin", history[0], "--reason", "the audit", "--until", "30d")
    assert (result.exit_code, result.output) == (0, "")
    heading, line = jobmgr("job", "pin", "--list").stdout.splitlines()
    assert heading.split() == ["JOBID", "BY", "SINCE", "UNTIL", "REASON"]
    id_, _, since, until, reason = line.split(maxsplit=4)
    assert (id_, reason) == (history[0], "the audit")
    assert (datetime.fromisoformat(until) - datetime.fromisoformat(since)).days == 30
    (pin,) = json.loads(jobmgr("job", "pin", "--list", "--json").stdout)["pins"]
    assert pin["id"] == jobid.parse(history[0])
    assert jobmgr("job", "unpin", history[0]).exit_code == 0
    assert jobmgr("job", "pin", "--list").stdout.count("\n") == 1
    again = jobmgr("job", "unpin", history[0])
    assert again.stderr == f"jobmgr: unpin {history[0]}: job is not pinned\n"


def test_each_job_that_cannot_be_pinned_is_named(jobmgr: Jobmgr, history: list[str]) -> None:
    """The others are pinned."""
    result = jobmgr("job", "pin", history[0], "ƒ2", history[1], "--reason", "x")
    assert result.exit_code == 1
    assert result.stderr == "jobmgr: pin ƒ2: unknown job\n"
    assert jobmgr("job", "unpin", history[0], history[1]).exit_code == 0


def test_a_pin_may_end_at_a_time_but_not_in_the_past(jobmgr: Jobmgr, history: list[str]) -> None:
    """A date is a date; one that has been is refused by the daemon."""
    words = ("job", "pin", history[0], "--reason", "x", "--until")
    assert "cannot end in the past" in jobmgr(*words, "2020-01-01").stderr
    assert jobmgr(*words, "2199-01-01").exit_code == 0
    assert " 2199-01-01T00:00:00" in jobmgr("job", "pin", "--list").stdout
    assert jobmgr("job", "unpin", history[0]).exit_code == 0


def test_retention_says_when_a_job_goes(stopped_daemon: DaemonProcess) -> None:
    """The rule, the place and the limits; times can be read, durations are FSD."""
    daemon = stopped_daemon
    daemon.configure('[job-manager]\ninactive-age-limit = "7d"\ninactive-num-limit = 4\n')
    daemon.start()
    first, second, _ = map(jobid.encode, run_jobs(daemon, 3))
    jobmgr = against(daemon.uri)
    lines = dict(
        line.split(":", 1) for line in jobmgr("job", "retention", second).stdout.splitlines()
    )
    assert lines["job"].split() == [f"{second},", "inactive"]
    assert lines["rule"].strip() == "default"
    assert lines["place"].strip() == "1 of the 3 jobs of this rule go before it"
    assert lines["limits"].strip() == "age 7d, number 4"
    assert ", in 7d, or after 3 more jobs ended" in lines["goes"]
    reply = json.loads(jobmgr("job", "retention", "--json", first).stdout)
    assert (reply["place"], reply["beyond"]) == (0, 2)


def test_retention_tells_of_a_pin_and_of_active_jobs(
    shared_daemon: DaemonProcess, jobmgr: Jobmgr, history: list[str]
) -> None:
    """Neither goes by a limit."""
    jobmgr("job", "pin", history[0], "--reason", "the audit")
    text = jobmgr("job", "retention", history[0]).stdout
    assert "rule:    pinned\n" in text
    assert text.endswith("until it is unpinned: the audit\n")
    jobmgr("job", "unpin", history[0])
    assert "no limit applies" in jobmgr("job", "retention", history[0]).stdout
    (running,) = submit(shared_daemon, simulated(None))
    assert "active jobs are never purged" in jobmgr("job", "retention", str(running)).stdout
    jobmgr("cancel", str(running))


def test_orphans_are_listed_and_purged_by_id(daemon: DaemonProcess) -> None:
    """A damaged record has an id, a reason, and a way out."""
    jobmgr = against(daemon.uri)
    assert jobmgr("job", "orphans").stdout.split() == ["JOBID", "SINCE", "REASON"]
    (id_,) = submit(daemon, simulated(None))
    wait_for(daemon, id_, "start")
    daemon.kill()
    with sqlite3.connect(daemon.statedir / "jobs.sqlite") as db:
        db.execute("UPDATE active SET eventlog = x'00'")
    db.close()
    daemon.start()
    (_, line) = jobmgr("job", "orphans").stdout.splitlines()
    assert line.startswith(jobid.encode(id_))
    assert "eventlog" in line
    (orphan,) = json.loads(jobmgr("job", "orphans", "--json").stdout)["orphans"]
    assert orphan["id"] == id_
    purged = jobmgr("job", "purge", "--force", str(id_))
    assert purged.stdout == "purged 1 inactive jobs, 0 remaining\n"
    assert json.loads(jobmgr("job", "orphans", "--json").stdout) == {"orphans": []}


def test_totals_count_what_was_purged(daemon: DaemonProcess) -> None:
    """By queue since the store was made, and by UTC day."""
    jobmgr = against(daemon.uri)
    run_jobs(daemon, 3)
    jobmgr("job", "purge", "--all", "--force")
    queues, days = jobmgr("stats", "--totals").stdout.split("\n\n")
    assert queues.splitlines()[0].split() == [
        *("QUEUE", "COMPLETED", "FAILED", "CANCELED", "TIMEOUT", "ENDED")
    ]
    assert queues.splitlines()[1].split() == ["(none)", "3", "0", "0", "0", "3"]
    assert days.startswith("DAY (UTC) ")
    assert days.splitlines()[-1].split() == ["all", "3", "0", "0", "0", "3"]
    totals = json.loads(jobmgr("stats", "--totals", "--days=2", "--json").stdout)["totals"]
    assert sum(row["n"] for row in totals) == 3


def test_purges_are_followed_from_any_batch_on(daemon: DaemonProcess) -> None:
    """A line a batch: number, time, count, reason, ids; -v names all of them."""
    jobmgr = against(daemon.uri)
    ids = [jobid.encode(id_) for id_ in run_jobs(daemon, 5)]
    jobmgr("job", "purge", "--num-limit=4", "--force")
    jobmgr("job", "purge", "--all", "--force")
    first, second = jobmgr("event", "purges", "--since=0", "-c2").stdout.splitlines()
    assert first.split()[0] == "1"
    assert first.split()[2:] == ["1", "purge", ids[0]]
    assert second.split()[2:] == ["4", "purge", *ids[1:4], "and", "1", "more"]
    (line,) = jobmgr("event", "purges", "--since=1", "-c1", "-v").stdout.splitlines()
    assert line.split()[2:] == ["4", "purge", *ids[1:]]
    batch = json.loads(jobmgr("event", "purges", "--since=1", "-c1", "--json").stdout)
    assert [jobid.encode(id_) for id_ in batch["jobs"]] == ids[1:]
    words = ["event", "purges", "--since=1", "-c1", "--epoch"]
    assert jobmgr(*words, batch["epoch"]).exit_code == 0
    other = jobmgr(*words, "other")
    assert (other.exit_code, other.stderr.count("the history was replaced: resync")) == (1, 1)
    beyond = jobmgr("event", "purges", "--since=9")
    assert beyond.exit_code == 1
    assert beyond.stderr.startswith("jobmgr: event purges: since 9 is beyond the last seq 2")
