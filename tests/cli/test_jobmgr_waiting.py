"""jobmgr with a daemon: wait for ends and events, the last jobs, the time that is left."""

import json
import re
import signal
import threading
from collections.abc import Iterator

import pytest

from jobmgrd.cli.job.timeleft import UNLIMITED
from protocol import jobid
from protocol.jobspec import set_attribute
from tests.cli.conftest import Jobmgr, against
from tests.conftest import DaemonProcess
from tests.e2e.jobs import events, real, simulated, submit, wait_for

SIMULATED = "--setattr=exec.test.run_duration=1ms"


@pytest.fixture
def running(shared_daemon: DaemonProcess) -> Iterator[str]:
    """A job without a limit that has started, canceled in the end."""
    (id_,) = submit(shared_daemon, simulated(None))
    wait_for(shared_daemon, id_, "start")
    yield jobid.encode(id_)
    against(shared_daemon.uri)("cancel", str(id_))
    events(shared_daemon, id_)


def test_status_exits_as_the_worst_job(shared_daemon: DaemonProcess, jobmgr: Jobmgr) -> None:
    """Exit codes, signals, exceptions; -v says how each ended, --json all that is known."""
    ids = submit(
        shared_daemon,
        *(real("sh", "-c", script) for script in ("exit 0", "exit 3", "kill -KILL $$")),
    )
    names = [jobid.encode(id_) for id_ in ids]
    assert jobmgr("job", "status", names[0]).exit_code == 0
    result = jobmgr("job", "status", "-v", *names)
    assert result.exit_code == 128 + signal.SIGKILL
    assert result.stdout.splitlines() == [
        f"{names[0]}: Exit 0",
        f"{names[1]}: Exit 3",
        f"{names[2]}: Killed",
    ]
    job = json.loads(jobmgr("job", "status", "--json", names[1]).stdout)
    assert (job["jobid"], job["result"], job["returncode"]) == (names[1], "FAILED", 3)
    unknown = jobmgr("job", "status", names[1], "ƒ2")
    assert (unknown.exit_code, unknown.stderr) == (3, "jobmgr: job ƒ2: unknown job\n")


def test_status_counts_an_exception_as_asked(jobmgr: Jobmgr) -> None:
    """A job that never ran has no exit code of its own."""
    id_ = jobmgr("submit", "--urgency=hold", "true").stdout.strip()
    jobmgr("cancel", id_)
    assert jobmgr("job", "status", id_).exit_code == 1
    assert jobmgr("job", "status", "-e", "7", id_).exit_code == 7
    assert jobmgr("job", "status", "-e", "0", id_).exit_code == 0


def test_status_waits(jobmgr: Jobmgr, running: str) -> None:
    """However long: it answers when the job has ended."""
    timer = threading.Timer(0.1, jobmgr, ("cancel", running))
    timer.start()
    result = jobmgr("job", "status", "-v", running)
    timer.join()
    assert result.stdout == f"{running}: Canceled\n"
    assert result.exit_code != 0


def test_wait_event_prints_the_event(jobmgr: Jobmgr, running: str) -> None:
    """In the form asked for; -v prints those before, -q nothing."""
    assert re.fullmatch(r"\d\.\d{6} start\n", jobmgr("job", "wait-event", running, "start").stdout)
    lines = jobmgr("job", "wait-event", "-v", "-f", "json", running, "alloc").stdout.splitlines()
    names = [json.loads(line)["name"] for line in lines]
    assert (names[0], names[-1]) == ("submit", "alloc")
    assert jobmgr("job", "wait-event", "-q", running, "submit").output == ""
    assert "shell.start" in jobmgr("job", "wait-event", "-p", "exec", running, "shell.start").stdout


def test_wait_event_matches_the_context(jobmgr: Jobmgr, running: str) -> None:
    """Text as it is, numbers as JSON; -c counts those that match."""
    for severity, note in (("7", "first"), ("6", "5"), ("7", "last")):
        jobmgr("job", "raise", "-t", "remark", "-s", severity, "-m", note, running)

    def wait(*words: str) -> str:
        result = jobmgr("job", "wait-event", *words, running, "exception")
        assert result.exit_code == 0, result.output
        return result.stdout

    assert 'note="first"' in wait("-m", "type=remark")
    assert 'note="5"' in wait("-m", "severity=6")
    assert 'note="5"' in wait("-m", "note=5")
    assert 'note="last"' in wait("-m", "severity=7", "-c2")


def test_wait_event_fails_if_the_event_does_not_come(jobmgr: Jobmgr, running: str) -> None:
    """In time, or ever."""
    late = jobmgr("job", "wait-event", "-t", "10ms", running, "clean")
    assert (late.exit_code, late.stderr) == (1, "jobmgr: wait-event timeout on event 'clean'\n")
    ended = jobmgr("submit", "--wait", SIMULATED, "true").stdout.strip()
    never = jobmgr("job", "wait-event", ended, "exception")
    assert (never.exit_code, never.stderr) == (1, "jobmgr: event 'exception' never received\n")


def test_an_eventlog_for_people_has_a_date_then_seconds(jobmgr: Jobmgr) -> None:
    """-H, or without colors, which a pipe does not get, -T human."""
    id_ = jobmgr("submit", "--wait", SIMULATED, "true").stdout.strip()
    plain = jobmgr("job", "eventlog", "-T", "human", id_).stdout
    assert re.match(r"\[[A-Z][a-z]{2}\d\d \d\d:\d\d\] submit ", plain)
    assert re.search(r"^\[( *\+\d\.\d{6}|[A-Z].{10})\] clean$", plain, re.MULTILINE)
    assert jobmgr("job", "eventlog", "-H", id_).stdout == plain


def test_last_prints_the_jobs_submitted_last(daemon: DaemonProcess) -> None:
    """The last first, a number of them or a slice."""
    jobmgr = against(daemon.uri)
    empty = jobmgr("job", "last")
    assert (empty.exit_code, empty.stderr) == (1, "jobmgr: job history is empty\n")
    ids = [jobid.encode(id_) for id_ in submit(daemon, *[simulated()] * 3)]
    for words, expected in (
        ([], ids[-1:]),
        (["2"], ids[:0:-1]),
        (["9"], ids[::-1]),
        (["[::-1]"], ids),
        (["[-1:]"], ids[:1]),
        (["[1:2]"], ids[1:2]),
        (["[:-1]"], ids[:0:-1]),
    ):
        assert jobmgr("job", "last", *words).stdout.split() == expected


def test_timeleft_counts_down_to_the_limit(
    shared_daemon: DaemonProcess, jobmgr: Jobmgr, running: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole seconds, or a duration; the job that it runs in if none is named."""
    jobspec = simulated(None)
    set_attribute(jobspec, "system.duration", 3600.0)
    (limited,) = submit(shared_daemon, jobspec)
    wait_for(shared_daemon, limited, "start")
    assert 3500 < int(jobmgr("job", "timeleft", str(limited)).stdout) <= 3600
    monkeypatch.setenv("FLUX_JOB_ID", str(limited))
    assert re.fullmatch(r"59\.\d+m|1h\n", jobmgr("job", "timeleft", "-H").stdout.strip())
    monkeypatch.delenv("FLUX_JOB_ID")
    assert jobmgr("job", "timeleft", running).stdout == f"{UNLIMITED}\n"
    assert jobmgr("job", "timeleft", "-H").stdout == "infinity\n"
    jobmgr("cancel", str(limited))
    events(shared_daemon, limited)
    assert jobmgr("job", "timeleft", str(limited)).stdout == "0\n"
    held = jobmgr("submit", "--urgency=hold", "true").stdout.strip()
    pending = jobmgr("job", "timeleft", held)
    assert (pending.exit_code, pending.stderr) == (1, f"jobmgr: job {held}: job has not started\n")
    jobmgr("cancel", held)
