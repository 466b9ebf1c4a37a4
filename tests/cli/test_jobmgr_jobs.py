"""jobmgr with a daemon: submit, run, list, change, wait and cancel jobs."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from jobmgrd.cli.failure import INTERRUPTED
from jobmgrd.cli.jobmgr import cli
from protocol import jobid
from protocol.jobspec import parse
from tests.cli.conftest import Jobmgr
from tests.conftest import DaemonProcess
from tests.e2e.jobs import wait_for

SIMULATED = "--setattr=exec.test.run_duration=1ms"
ENDLESS = "--setattr=exec.test.run_duration=0"


def submit(jobmgr: Jobmgr, *words: str) -> str:
    """Submit one job; its id as it was printed."""
    result = jobmgr("submit", *words)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


@pytest.mark.parametrize(
    ("script", "code", "out", "err"),
    [
        ("echo hi; echo oops >&2", 0, "hi\n", "oops\n"),
        ("printf '\\377'; exit 3", 3, "\udcff", ""),
        ("kill -TERM $$", 128 + signal.SIGTERM, "", ""),
    ],
)
def test_run_is_like_running_it_here(
    jobmgr: Jobmgr, script: str, code: int, out: str, err: str
) -> None:
    """stdout, stderr, byte for byte, and the exit code are the job's."""
    result = jobmgr("run", "sh", "-c", script)
    assert result.exit_code == code
    assert result.stdout_bytes == out.encode(errors="surrogateescape")
    assert result.stderr == err


def test_run_tells_why_a_command_cannot_be_started(jobmgr: Jobmgr) -> None:
    """An exception is shown as flux-job attach shows it; the exit code is a shell's."""
    result = jobmgr("run", "no-such-program")
    assert result.exit_code == 127
    assert " job.exception ƒ" in result.stderr
    assert "type=exec severity=0 " in result.stderr


def test_run_takes_the_callers_directory_and_environment(
    jobmgr: Jobmgr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job runs where jobmgr was called, with its variables."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBMGR_TEST", "copied")
    result = jobmgr("run", "sh", "-c", "pwd; echo $JOBMGR_TEST")
    assert result.stdout == f"{tmp_path}\ncopied\n"


def test_a_second_ctrl_c_cancels_the_job(shared_daemon: DaemonProcess) -> None:
    """The first one only says so; the job ends as canceled."""
    argv = [sys.executable, "-m", "jobmgrd.cli.jobmgr", "--uri", shared_daemon.uri]
    with subprocess.Popen(
        [*argv, "run", "sh", "-c", "echo ready; exec sleep 60"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert "one more Ctrl-C within 2 s cancels ƒ" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(20) == 128 + signal.SIGTERM
    assert "type=cancel severity=0 interrupted by Ctrl-C" in rest


def test_ctrl_c_ends_a_command_that_waits(shared_daemon: DaemonProcess) -> None:
    """130, and not a word."""
    argv = [sys.executable, "-m", "jobmgrd.cli.jobmgr", "--uri", shared_daemon.uri, "ping"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"job-manager.ping seq=0 time=")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == INTERRUPTED
        assert process.stderr.read() == b""


def test_cc_submits_a_job_for_each_id(jobmgr: Jobmgr, tmp_path: Path) -> None:
    """One id a line, in the order of the idset; --wait returns when the last has ended."""
    output = f"--output={tmp_path}/{{cc}}"
    result = jobmgr("submit", "--cc=1-3,7", "--wait", output, "echo", "job {cc}")
    assert result.exit_code == 0, result.output
    assert len(set(result.stdout.split())) == 4
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        cc: f"job {cc}\n" for cc in "1237"
    }


def test_wait_exits_with_the_largest_exit_code(jobmgr: Jobmgr) -> None:
    """Both submit --wait, and job wait with several ids, agree on that."""
    assert jobmgr("submit", "--cc=0-3", "--wait", "sh", "-c", "exit {cc}").exit_code == 3
    ids = [submit(jobmgr, "sh", "-c", f"exit {code}") for code in (0, 4, 1)]
    result = jobmgr("job", "wait", "-v", *ids)
    assert result.exit_code == 4
    assert result.stdout.splitlines()[1] == f"{ids[1]}: exit code 4"


def test_bcc_submits_jobs_that_do_not_know_their_number(jobmgr: Jobmgr) -> None:
    """As --cc, but for the variable."""
    command = ("--watch", "--quiet", "sh", "-c", "echo {cc} ${FLUX_JOB_CC-unset}")
    assert jobmgr("submit", "--bcc=5", *command).stdout == "5 unset\n"
    assert jobmgr("submit", "--cc=5", *command).stdout == "5 5\n"
    both = jobmgr("submit", "--cc=1", "--bcc=1", "true")
    assert (both.exit_code, both.stderr.splitlines()[-1]) == (
        2,
        "Error: Give one of --cc and --bcc.",
    )


def test_a_dry_run_prints_the_jobspec_and_submits_nothing(lonely_jobmgr: Jobmgr) -> None:
    """A line a job, as submit, run and batch would have it; no daemon is needed."""
    lines = lonely_jobmgr("submit", "--dry-run", "--cc=1-2", "echo", "{cc}").stdout.splitlines()
    specs = [json.loads(line) for line in lines]
    assert [spec["tasks"][0]["command"] for spec in specs] == [["echo", "1"], ["echo", "2"]]
    assert specs[1]["attributes"]["system"]["environment"]["FLUX_JOB_CC"] == "2"
    ran = json.loads(lonely_jobmgr("run", "--dry-run", "-n3", "true").stdout)
    assert parse(ran).ntasks == 3
    batch = json.loads(lonely_jobmgr("batch", "--dry-run", "--wrap", "make", "test").stdout)
    assert "make test" in batch["attributes"]["system"]["files"]["script"]["data"]


def test_log_files_take_what_would_be_on_the_terminal(jobmgr: Jobmgr, tmp_path: Path) -> None:
    """A file a job with {cc}; errors of their own, or with the rest; none is left of before."""
    (tmp_path / "1").write_text("old")
    words = ("--watch", f"--log={tmp_path}/{{cc}}", "sh", "-c", "echo out {cc}; echo err >&2")
    done = jobmgr("submit", "--cc=1-2", *words)
    assert (done.exit_code, done.output) == (0, "")
    for cc in "12":
        id_, *lines = (tmp_path / cc).read_text().splitlines()
        assert id_.startswith("ƒ")
        assert sorted(lines) == ["err", f"out {cc}"]
    apart = jobmgr("submit", "--quiet", f"--log-stderr={tmp_path}/err", *words)
    assert (apart.output, (tmp_path / "err").read_text()) == ("", "err\n")
    refused = jobmgr("submit", "--cc=1-9", "-n99999", f"--log={tmp_path}/all", "true")
    assert (refused.exit_code, refused.output) == (1, "")
    assert (tmp_path / "all").read_text().startswith("jobmgr: submit: unsatisfiable request")
    nowhere = jobmgr("submit", f"--log={tmp_path}/no/where", "true")
    assert (nowhere.exit_code, nowhere.stdout) == (1, "")
    assert (
        nowhere.stderr == f"jobmgr: cannot write {tmp_path}/no/where: No such file or directory\n"
    )


def test_a_refused_submit_says_why(jobmgr: Jobmgr) -> None:
    """The daemon's words, once however many jobs they concern."""
    result = jobmgr("submit", "--cc=1-5", "-n", "100000", "true")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("jobmgr: submit: unsatisfiable request")
    assert result.stderr.count("\n") == 1


def test_cancel_leaves_its_note(jobmgr: Jobmgr) -> None:
    """A canceled job ends with the reason that was given; twice is refused by name."""
    id_ = submit(jobmgr, "--urgency=hold", "true")
    assert jobmgr("cancel", "-m", "wrong input", id_).exit_code == 0
    waited = jobmgr("job", "wait", id_)
    assert waited.exit_code == 1
    assert waited.stderr.endswith("type=cancel severity=0 wrong input\n")
    again = jobmgr("cancel", id_, "ƒ2")
    assert again.exit_code == 1
    assert again.stderr.splitlines() == [
        f"jobmgr: cancel {id_}: job is inactive",
        "jobmgr: cancel ƒ2: unknown job id",
    ]


def test_a_held_job_is_changed_and_released(jobmgr: Jobmgr) -> None:
    """urgency, memo and raise leave their events; default lets the job run."""
    id_ = submit(jobmgr, "--urgency=hold", SIMULATED, "true")
    assert jobmgr("job", "memo", id_, "step=3").exit_code == 0
    assert jobmgr("job", "raise", "-s7", "-t", "remark", "-m", "hm", id_).exit_code == 0
    assert jobmgr("job", "urgency", "-v", id_, "default").stdout == "old urgency: 0\n"
    assert jobmgr("job", "wait", id_).exit_code == 0
    lines = jobmgr("job", "eventlog", id_).stdout.splitlines()
    assert lines[0].startswith("0.000000 submit ")
    text = "\n".join(lines)
    assert "memo step=3" in text
    assert 'exception type="remark" severity=7 note="hm"' in text
    assert lines[-1].endswith(" clean")


def test_memos_are_paths_and_may_come_from_stdin(
    shared_daemon: DaemonProcess, jobmgr: Jobmgr
) -> None:
    """As flux job memo has it: dots make objects, which are merged, and - reads."""
    id_ = submit(jobmgr, "--urgency=hold", "true")
    assert jobmgr("job", "memo", id_, "run.step=3", "run.of=9").exit_code == 0
    words = ["--uri", shared_daemon.uri, "job", "memo", id_, "run.of=null", "note=-"]
    assert CliRunner().invoke(cli, words, input="half way").exit_code == 0
    job = json.loads(jobmgr("jobs", "--json", id_).stdout)
    assert job["annotations"]["user"] == {"run": {"step": 3}, "note": "half way"}
    assert jobmgr("job", "memo", "--volatile", id_, "run.step=4").exit_code == 0
    job = json.loads(jobmgr("jobs", "--json", id_).stdout)
    assert job["annotations"]["user"]["run"] == {"step": 4}
    assert "4" not in jobmgr("job", "eventlog", "--format=json", id_).stdout.split("memo")[-1]
    wrong = jobmgr("job", "memo", id_, "a=1", "a.b=2")
    assert wrong.exit_code == 1
    assert "cannot set a.b" in wrong.stderr
    assert jobmgr("cancel", id_).exit_code == 0


def test_kill_sends_the_signal(shared_daemon: DaemonProcess, jobmgr: Jobmgr) -> None:
    """A running job gets the signal; one that is not running is refused by name."""
    held = submit(jobmgr, "--urgency=hold", "true")
    refused = jobmgr("job", "kill", held)
    assert refused.stderr == f"jobmgr: kill {held}: job is not running\n"
    id_ = submit(jobmgr, ENDLESS, "true")
    wait_for(shared_daemon, jobid.parse(id_), "start")
    assert jobmgr("job", "kill", "-s", "KILL", id_).exit_code == 0
    assert jobmgr("job", "wait", id_).exit_code == 128 + signal.SIGKILL
    assert jobmgr("cancel", held).exit_code == 0


def test_info_prints_what_is_kept(jobmgr: Jobmgr) -> None:
    """Each key as it is kept; a key that is none is refused."""
    id_ = submit(jobmgr, "--wait", "echo", "hello")
    jobspec = json.loads(jobmgr("job", "info", id_, "jobspec").stdout)
    assert jobspec["tasks"][0]["command"] == ["echo", "hello"]
    assert json.loads(jobmgr("job", "info", id_, "R").stdout)["version"] == 1
    assert '"hello\\n"' in jobmgr("job", "info", id_, "guest.output").stdout
    follow = jobmgr("job", "eventlog", "-F", "-p", "output", "-T", "raw", id_).stdout
    assert 'data stream="stdout" rank="0" data="hello\\n"' in follow
    refused = jobmgr("job", "info", id_, "nothing")
    assert refused.exit_code == 1
    assert refused.stderr.startswith(f"jobmgr: job {id_}: ")
    assert "nothing" in refused.stderr


def test_a_daemon_that_dies_is_one_line(daemon: DaemonProcess) -> None:
    """A wait that can never end says so."""
    argv = [sys.executable, "-m", "jobmgrd.cli.jobmgr", "--uri", daemon.uri]
    command = [*argv, "submit", "--wait", ENDLESS, "true"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ƒ")
        daemon.kill()
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert errors.endswith("the daemon closed the connection\n")
    assert errors.count("\n") == 1


def test_job_stats_are_those_of_job_list(jobmgr: Jobmgr, shared_daemon: DaemonProcess) -> None:
    """As one JSON object."""
    printed = jobmgr("job", "stats")
    assert json.loads(printed.output) == shared_daemon.rpc("job-list.job-stats")
