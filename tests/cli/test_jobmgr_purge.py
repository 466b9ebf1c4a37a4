"""jobmgr job purge with a daemon: every line tells what happened, would happen, or what to type."""

import errno
from typing import Any

import pytest

from jobmgrd.cli.failure import CommandError
from jobmgrd.cli.job.purging import Purging
from jobmgrd.client import BlockingClient
from protocol import jobid
from protocol.errors import RpcError
from tests.cli.conftest import Jobmgr, against
from tests.conftest import DaemonProcess
from tests.e2e.jobs import run_jobs

pytestmark = pytest.mark.usefixtures("history")


@pytest.fixture
def history(shared_daemon: DaemonProcess) -> list[int]:
    """Ten inactive jobs, and no others."""
    against(shared_daemon.uri)("job", "purge", "--all", "--force")
    return run_jobs(shared_daemon, 10)


def test_without_a_limit_it_explains_itself(jobmgr: Jobmgr) -> None:
    """Nothing goes; the text says so, how many there are, and what to type."""
    for words in ((), ("--force",)):
        result = jobmgr("job", "purge", *words)
        assert result.exit_code == 0
        assert result.stdout.startswith(
            "nothing to purge: no limit was given, and 10 inactive jobs are kept\n"
        )
        assert "jobmgr job purge --age-limit=7d" in result.stdout


def test_without_force_it_only_counts(jobmgr: Jobmgr) -> None:
    """The text names the option that would do it."""
    for words, count in (("--num-limit=8",), 2), (("--all",), 10), (("--age-limit=0",), 10):
        result = jobmgr("job", "purge", *words)
        assert result.stdout == f"use --force to purge {count} of 10 inactive jobs\n"
    assert jobmgr("job", "purge", "--age-limit=1d").stdout == (
        "nothing to purge: none of 10 inactive jobs exceeds the limits\n"
    )


def test_with_force_it_goes_on_until_all_is_done(jobmgr: Jobmgr) -> None:
    """Batches follow one another until one is not full."""
    result = jobmgr("job", "purge", "--num-limit=1", "--batch=4", "--force", "-v")
    lines = result.stdout.splitlines()
    assert [line.partition(" (")[0] for line in lines[:-1]] == [
        "purged 4 inactive jobs",
        "purged 4 inactive jobs",
        "purged 1 inactive jobs",
    ]
    assert lines[-1] == "purged 9 inactive jobs, 1 remaining"
    assert jobmgr("job", "purge", "--all", "-f").stdout == "purged 1 inactive jobs, 0 remaining\n"
    nothing = "nothing to purge: there are no inactive jobs\n"
    assert jobmgr("job", "purge", "--all").stdout == nothing


def test_ids_that_cannot_be_purged_are_named(jobmgr: Jobmgr, history: list[int]) -> None:
    """One refused id stops no other; the exit code tells of it."""
    active = jobmgr("submit", "--urgency=hold", "true").stdout.strip()
    ids = [str(history[3]), active, "ƒ2", str(history[3])]
    counted = jobmgr("job", "purge", *ids)
    assert counted.exit_code == 1
    assert counted.stdout == "use --force to purge 1 of 10 inactive jobs\n"
    result = jobmgr("job", "purge", "--force", *ids)
    assert result.exit_code == 1
    assert result.stdout == "purged 1 inactive jobs, 9 remaining\n"
    assert result.stderr.splitlines() == [
        f"jobmgr: purge {active}: cannot purge active job",
        "jobmgr: purge ƒ2: id not found",
    ]
    assert jobmgr("cancel", active).exit_code == 0


def test_a_purged_job_says_what_became_of_it(jobmgr: Jobmgr, history: list[int]) -> None:
    """Looking at it later tells when and how it went."""
    assert jobmgr("job", "purge", "--force", str(history[0])).exit_code == 0
    result = jobmgr("job", "eventlog", str(history[0]))
    assert result.exit_code == 1
    assert "it was purged at" in result.stderr


def test_the_list_names_what_would_go_and_why(jobmgr: Jobmgr, history: list[int]) -> None:
    """A line a job, oldest first; with --force it is exactly what went, batch by batch."""
    proposed = jobmgr("job", "purge", "--list", "--num-limit=6").stdout.splitlines()
    assert proposed[0].split() == [
        *("JOBID", "USER", "NAME", "QUEUE", "ST", "T_INACTIVE", "REASON")
    ]
    assert [line.split()[0] for line in proposed[1:-1]] == [jobid.encode(id) for id in history[:4]]
    assert all(line.endswith(" number limit") for line in proposed[1:-1])
    assert proposed[-1] == "use --force to purge 4 of 10 inactive jobs"
    gone = jobmgr("job", "purge", "--list", "--num-limit=6", "--batch=3", "--force")
    assert gone.stdout.splitlines()[:-1] == proposed[:-1]
    assert gone.stdout.splitlines()[-1] == "purged 4 inactive jobs, 6 remaining"


def test_pinned_jobs_stay_and_it_is_said(jobmgr: Jobmgr, history: list[int]) -> None:
    """--all is all but those; without a limit, limits and pins are told."""
    assert jobmgr("job", "pin", str(history[0]), "--reason", "x").exit_code == 0
    assert "pinned jobs, which no limit purges: 1\n" in jobmgr("job", "purge").stdout
    proposed = jobmgr("job", "purge", "--all").stdout
    assert proposed == "use --force to purge 9 of 10 inactive jobs; 1 pinned job stays\n"
    gone = jobmgr("job", "purge", "--all", "--force").stdout
    assert gone == "purged 9 inactive jobs, 1 remaining; 1 pinned job stays\n"
    nothing = "nothing to purge: all 1 inactive jobs are pinned\n"
    assert jobmgr("job", "purge", "--all").stdout == nothing
    assert jobmgr("job", "unpin", str(history[0])).exit_code == 0


class BriefClient(BlockingClient):
    """A client that is listed eight jobs at most, as a daemon lists a thousand."""

    def rpc(self, topic: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Ask, and cut the list."""
        reply = super().rpc(topic, *args, **kwargs)
        if topic == "job-manager.purge":
            reply["jobs"] = reply["jobs"][:8]
        return reply


@pytest.mark.usefixtures("history")
def test_a_long_list_ends_with_how_many_more(
    shared_daemon: DaemonProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is not listed is counted."""
    with BriefClient(shared_daemon.uri) as client:
        Purging(client, batch=1, force=False, listing=True, verbose=False).by_limits(
            {"num_limit": 0}
        )
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["... and 2 more", "use --force to purge 10 of 10 inactive jobs"]
    assert len(lines) == 1 + 8 + 2


def test_configured_limits_are_told(stopped_daemon: DaemonProcess) -> None:
    """What the daemon purges by itself, in the words of the configuration."""
    stopped_daemon.configure('[job-manager]\ninactive-age-limit = "7d"\ninactive-num-limit = 50\n')
    stopped_daemon.start()
    text = against(stopped_daemon.uri)("job", "purge").stdout
    assert "by the limits of [job-manager]: age 7d, number 50\n" in text


def test_a_failing_archive_stops_a_purge(stopped_daemon: DaemonProcess) -> None:
    """The text says why, and that nothing was purged."""
    stopped_daemon.configure("[job-manager.archive]\n")
    stopped_daemon.start()
    (id_, *_) = run_jobs(stopped_daemon, 3)
    for part in stopped_daemon.statedir.glob("archive.sqlite*"):
        part.unlink()
    (stopped_daemon.statedir / "archive.sqlite").mkdir()
    jobmgr = against(stopped_daemon.uri)
    for words in (["--all"], [str(id_)]):
        result = jobmgr("job", "purge", "--force", *words)
        assert result.exit_code == 1
        assert result.stdout == ""
        assert result.stderr.startswith("jobmgr: job purge: archive /")
        assert result.stderr.endswith(": nothing was purged\n")
        assert result.stderr.count("\n") == 1


class FailingClient(BlockingClient):
    """A client whose third purge is refused."""

    purges = 0

    def rpc(self, topic: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Ask, or refuse."""
        self.purges += topic == "job-manager.purge"
        if topic == "job-manager.purge" and self.purges > 2:
            raise RpcError(errno.ENOSPC, "disk full")
        return super().rpc(topic, *args, **kwargs)


@pytest.mark.usefixtures("history")
def test_a_purge_that_is_refused_half_way_tells_what_went(shared_daemon: DaemonProcess) -> None:
    """What was purged before stays purged, so it is counted."""
    with FailingClient(shared_daemon.uri) as client:
        run = Purging(client, batch=2, force=True, listing=False, verbose=False)
        told = "job purge: disk full: 4 inactive jobs were purged before"
        with pytest.raises(CommandError, match=told):
            run.by_limits({"num_limit": 0})
