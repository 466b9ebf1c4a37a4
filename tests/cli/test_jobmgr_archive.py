"""jobmgr archive, and --archive: purged jobs without a daemon."""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from jobmgrd.archive.record import ArchivedJob
from jobmgrd.archive.sqlite import SqliteArchive
from protocol import jobid
from tests.archive.sample import OUTPUT, archive_path, job
from tests.cli.conftest import Jobmgr
from tests.conftest import DaemonProcess


async def _fill(path: Path, jobs: Sequence[ArchivedJob]) -> None:
    archive = SqliteArchive(path)
    await archive.put(jobs)
    await archive.close()


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive of three jobs, which JOBMGRD_ARCHIVE names."""
    path = archive_path(tmp_path)
    jobs = [
        job(1, 1000.0, queue="batch"),
        job(2, 2000.0, name="sleep", result=2),
        job(3, 3000.0, queue="batch", result=2),
    ]
    asyncio.run(_fill(path, jobs))
    monkeypatch.setenv("JOBMGRD_ARCHIVE", str(path))
    return path


def test_list_looks_like_jobs(lonely_jobmgr: Jobmgr, archive: Path) -> None:
    """The last to end first, with the columns of jobmgr jobs; stderr says where from."""
    result = lonely_jobmgr("archive", "list")
    assert result.exit_code == 0, result.output
    heading, *lines = result.stdout.splitlines()
    assert heading.split()[:4] == ["JOBID", "USER", "NAME", "ST"]
    assert [line.split()[0] for line in lines] == [jobid.encode(id) for id in (3, 2, 1)]
    assert [line.split()[3] for line in lines] == ["F", "F", "CD"]
    assert result.stderr == f"from archive {archive}\n"


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["-c", "1"], [3]),
        (["-c", "0"], [3, 2, 1]),
        (["--queue", "batch", "--result", "failed"], [3]),
        (["--name", "sleep"], [2]),
        (["--user", "1001"], [3, 1]),
        (["--since", "1970-01-01T00:33:20+00:00"], [3, 2]),
        (["--before", "1970-01-01T00:33:20Z"], [1]),
        (["--since", "7d"], []),
        (["f3", "0x1"], [2, 1]),
    ],
)
@pytest.mark.usefixtures("archive")
def test_list_takes_filters(lonely_jobmgr: Jobmgr, options: list[str], ids: list[int]) -> None:
    """Each of them, and as JSON what jobmgr jobs says of a job."""
    result = lonely_jobmgr("archive", "list", "--json", *options)
    assert result.exit_code == 0, result.output
    jobs = json.loads(result.stdout)["jobs"]
    assert [found["id"] for found in jobs] == ids
    assert all(found["state"] == "INACTIVE" and "t_inactive" in found for found in jobs)


@pytest.mark.usefixtures("archive")
@pytest.mark.parametrize(
    ("option", "value"), [("--since", "yesterday"), ("--user", "nobody-at-all"), ("--result", "x")]
)
def test_a_filter_that_cannot_be_read_is_a_usage_error(
    lonely_jobmgr: Jobmgr, option: str, value: str
) -> None:
    """Exit code 2, and the text names the value."""
    result = lonely_jobmgr("archive", "list", option, value)
    assert result.exit_code == 2
    assert repr(value) in result.stderr


@pytest.mark.usefixtures("archive")
def test_show_prints_all_of_a_job(lonely_jobmgr: Jobmgr) -> None:
    """Numbers by name, then jobspec, R, eventlog and output."""
    result = lonely_jobmgr("archive", "show", "2")
    assert result.exit_code == 0, result.output
    assert "result:     FAILED\n" in result.stdout
    assert "name:       sleep\n" in result.stdout
    for part in (job(2, 2000.0).jobspec, job(2, 2000.0, result=2).eventlog, OUTPUT.decode()):
        assert part in result.stdout


@pytest.mark.usefixtures("archive")
def test_show_as_json_is_what_export_writes(lonely_jobmgr: Jobmgr) -> None:
    """One record, indented for people."""
    shown = json.loads(lonely_jobmgr("archive", "show", "--json", "2").stdout)
    exported = lonely_jobmgr("archive", "export", "2")
    assert shown == json.loads(exported.stdout)
    assert shown["eventlog"][-1]["name"] == "clean"
    assert exported.stderr.endswith("exported 1 jobs\n")


def test_export_to_a_file_replaces_it_when_complete(
    lonely_jobmgr: Jobmgr, archive: Path, tmp_path: Path
) -> None:
    """Oldest first; nothing else is left in the directory."""
    output = tmp_path / "out" / "jobs.jsonl"
    output.parent.mkdir()
    output.write_text("before")
    result = lonely_jobmgr("archive", "--archive", str(archive), "export", "-o", str(output))
    assert result.exit_code == 0, result.output
    assert [json.loads(line)["id"] for line in output.read_text().splitlines()] == [1, 2, 3]
    assert list(output.parent.iterdir()) == [output]


@pytest.mark.usefixtures("archive")
def test_parquet_without_pyarrow_fails_and_leaves_the_file(
    lonely_jobmgr: Jobmgr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line on stderr, exit code 1, and what was there before is still there."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    output = tmp_path / "jobs.parquet"
    output.write_text("before")
    result = lonely_jobmgr("archive", "export", "--format", "parquet", "-o", str(output))
    assert result.exit_code == 1
    assert "jobmgr: Parquet needs pyarrow" in result.stderr
    assert output.read_text() == "before"


def test_jobs_info_and_eventlog_answer_from_the_archive(
    lonely_jobmgr: Jobmgr, archive: Path
) -> None:
    """As they did before the purge, and stderr says where from."""
    kept = job(2, 2000.0, name="sleep", result=2)
    source = f"from archive {archive}\n"
    jobs = lonely_jobmgr("jobs", "--archive", "-c1", "--json")
    assert [found["id"] for found in json.loads(jobs.stdout)["jobs"]] == [3]
    assert jobs.stderr == source
    for key, text in (
        ("jobspec", kept.jobspec),
        ("R", kept.R),
        ("eventlog", kept.eventlog),
        ("guest.output", kept.output),
    ):
        info = lonely_jobmgr("job", "info", "--archive", "2", key)
        assert info.stdout.rstrip("\n") == (text or "").rstrip("\n")
        assert info.stderr == source
    eventlog = lonely_jobmgr("job", "eventlog", "--archive", "2")
    assert [line.split()[1] for line in eventlog.stdout.splitlines()][-2:] == ["free", "clean"]
    assert eventlog.stderr == source
    output = lonely_jobmgr("job", "eventlog", "--archive", "-f", "json", "-p", "output", "2")
    assert output.stdout == kept.output
    given = lonely_jobmgr("job", "eventlog", "--archive", "-f", "json", "-p", "input", "2")
    assert given.stdout == kept.input
    derived = lonely_jobmgr("job", "eventlog", "--archive", "-p", "exec", "2")
    assert "is not archived: eventlog, output and input are" in derived.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("archive", "show", "99"),
        ("job", "info", "--archive", "99", "R"),
        ("job", "eventlog", "--archive", "99"),
    ],
)
def test_a_job_that_is_not_archived_is_an_error(
    lonely_jobmgr: Jobmgr, archive: Path, words: tuple[str, ...]
) -> None:
    """The text names the job and the file that was asked."""
    result = lonely_jobmgr(*words)
    assert result.exit_code == 1
    assert f"job {jobid.encode(99)} is not in archive {archive}" in result.stderr


def test_a_key_that_a_job_does_not_have_is_an_error(lonely_jobmgr: Jobmgr, archive: Path) -> None:
    """Fields of the record are not keys of a job."""
    assert archive.exists()
    result = lonely_jobmgr("job", "info", "--archive", "2", "userid")
    assert result.exit_code == 1
    assert "has no userid" in result.stderr


def test_without_an_archive_the_default_path_is_named(
    lonely_jobmgr: Jobmgr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No daemon, no option, no variable: STATEDIR/archive.sqlite."""
    monkeypatch.delenv("JOBMGRD_ARCHIVE", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    result = lonely_jobmgr("jobs", "--archive")
    assert result.exit_code == 1
    assert f"jobmgr: {tmp_path}/jobmgrd/archive.sqlite: No such file" in result.stderr


def test_a_daemon_without_an_archive_leaves_the_default(
    jobmgr: Jobmgr, shared_daemon: DaemonProcess, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that is asked and names no archive is no error by itself."""
    assert shared_daemon.process is not None
    monkeypatch.delenv("JOBMGRD_ARCHIVE")
    default = archive.parent / "jobmgrd" / "archive.sqlite"
    default.parent.mkdir()
    archive.rename(default)
    monkeypatch.setenv("XDG_STATE_HOME", str(archive.parent))
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    result = jobmgr("archive", "list")
    assert result.stderr == f"from archive {default}\n"
