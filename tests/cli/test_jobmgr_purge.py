"""jobmgr job purge with a daemon: every line tells what happened, would happen, or what to type."""

import pytest

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
