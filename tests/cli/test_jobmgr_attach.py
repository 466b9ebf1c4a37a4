"""jobmgr run, attach and submit --watch as processes: pipes, terminals and signals of their own."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import Jobmgr
from tests.conftest import DaemonProcess
from tests.e2e.jobs import events
from tests.e2e.test_supervisor import context, status

FILE = ("-o", "input.stdin.path=/dev/null", "sleep", "0.5")
CTRL_C, CTRL_Z, CTRL_D = b"\x03", b"\x1a", b"\x04"


def argv(daemon: DaemonProcess, *words: str) -> list[str]:
    """A command line of jobmgr."""
    return [sys.executable, "-m", "jobmgrd.cli.jobmgr", "--uri", daemon.uri, *words]


def run(
    daemon: DaemonProcess, *words: str, stdin: bytes = b""
) -> "subprocess.CompletedProcess[bytes]":
    """Run jobmgr to its end."""
    return subprocess.run(
        argv(daemon, *words), input=stdin, capture_output=True, timeout=30, check=False
    )


class Terminal:
    """jobmgr in a terminal of its own."""

    def __init__(self, pid: int, fd: int) -> None:
        self.pid = pid
        self._fd = fd
        self.seen = b""

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._fd, keys)

    def until(self, text: bytes) -> None:
        """Wait until something is shown."""
        while text not in self.seen:
            self.seen += os.read(self._fd, 4096)

    def end(self) -> int:
        """Wait for the end of the program; its exit code."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_who_waits_for_a_job_to_start_is_told_why(daemon: DaemonProcess) -> None:
    """Once, on stderr, after a moment; what it waits for is what jobmgr jobs shows."""
    held = subprocess.Popen(argv(daemon, "run", "--urgency=0", "true"), stderr=subprocess.PIPE)
    assert held.stderr is not None
    line = held.stderr.readline().decode()
    assert line.startswith("jobmgr: ƒ")
    assert line.endswith(" waits: held\n")
    subprocess.run(argv(daemon, "cancel", "--all"), check=True)
    assert b"waits" not in held.communicate(timeout=30)[1]


@contextmanager
def terminal(daemon: DaemonProcess, *words: str) -> Iterator[Terminal]:
    """Run jobmgr in a terminal."""
    pid, fd = pty.fork()
    if not pid:
        os.execv(sys.executable, argv(daemon, *words))  # noqa: S606 - no shell is wanted
    try:
        yield Terminal(pid, fd)
    finally:
        os.close(fd)


def last_job(daemon: DaemonProcess) -> int:
    """The id of the job that was submitted last."""
    jobs = daemon.rpc("job-list.list", {"max_entries": 0, "attrs": ["t_submit"]})["jobs"]
    return int(max(jobs, key=lambda job: job["t_submit"])["id"])


def test_run_is_a_pipe(shared_daemon: DaemonProcess) -> None:
    """Bytes in, bytes out, whatever they are; the exit code is the job's."""
    data = os.urandom(300_000)
    done = run(shared_daemon, "run", "sh", "-c", "cat; echo err >&2; exit 3", stdin=data)
    assert (done.returncode, done.stdout, done.stderr) == (3, data, b"err\n")


def test_output_is_labeled(shared_daemon: DaemonProcess) -> None:
    """Each line with its task, a line without an end, too; stdin to some tasks alone."""
    done = run(
        shared_daemon, "run", "-n2", "-l", "--input=1", "sh", "-c", "printf x; cat", stdin=b"y\nz"
    )
    assert sorted(done.stdout.splitlines()) == [b"0: x", b"1: xy", b"1: z"]


def test_a_job_that_reads_nothing_is_no_trouble(shared_daemon: DaemonProcess) -> None:
    """It may end before its input does."""
    done = run(shared_daemon, "run", "true", stdin=bytes(1 << 20))
    assert (done.returncode, done.stderr) == (0, b"")
    refused = run(shared_daemon, "run", "-o", "input.stdin.type=file", *FILE, stdin=b"x")
    assert refused.stderr == b"jobmgr: stdin not accepted by job\n"


def test_who_has_no_stdin_sends_the_end_of_it(shared_daemon: DaemonProcess) -> None:
    """As under a shell's <&-."""
    words = argv(shared_daemon, "run", "cat")
    done = subprocess.run(["/bin/sh", "-c", 'exec "$@" <&-', "sh", *words], timeout=30, check=False)
    assert done.returncode == 0


def test_ranks_that_are_not_there_are_named(shared_daemon: DaemonProcess, jobmgr: Jobmgr) -> None:
    """The tasks that are there read nothing."""
    done = run(shared_daemon, "run", "-n2", "--input=1,5", "cat", stdin=b"x")
    assert done.stderr == b"jobmgr: stdin for 5: the job has 2 tasks, from 0\n"
    assert jobmgr("attach", "-i", "x", "ƒ2").exit_code == 2


def test_attach_shows_it_from_the_beginning(
    shared_daemon: DaemonProcess, jobmgr: Jobmgr, tmp_path: Path
) -> None:
    """While the job runs and after; it leaves by itself at an event."""
    id_ = jobmgr("submit", "sh", "-c", "echo one; echo two; exit 4").stdout.strip()
    running = run(shared_daemon, "attach", id_)
    assert (running.returncode, running.stdout) == (4, b"one\ntwo\n")
    ended = jobmgr("attach", "-l", id_)
    assert (ended.exit_code, ended.stdout) == (4, "0: one\n0: two\n")
    assert jobmgr("attach", "--tail", "0", id_).stdout == ""
    shown = jobmgr("attach", "-r", "-E", "-X", id_)
    assert "job.submit {" in shown.stderr
    assert "exec.shell.init {" in shown.stderr
    left = jobmgr("attach", "-w", "alloc", id_)
    assert left.exit_code == 0
    unknown = jobmgr("attach", "ƒ2")
    assert (unknown.exit_code, "attach ƒ2: " in unknown.stderr) == (1, True)
    out = tmp_path / "out"
    told = jobmgr("run", f"--output={out}", "echo", "x")
    assert f"0: stdout redirected to {out}\n" in told.stderr


def test_a_terminal_is_the_jobs(shared_daemon: DaemonProcess) -> None:
    """What is typed goes to the job line by line, and Ctrl-D ends it."""
    with terminal(shared_daemon, "run", "sh", "-c", "while read x; do echo got $x; done") as screen:
        screen.type(b"hello\n")
        screen.until(b"got hello")
        screen.type(CTRL_D)
        assert screen.end() == 0


def test_two_ctrl_c_cancel(shared_daemon: DaemonProcess) -> None:
    """The first one says so."""
    with terminal(shared_daemon, "run", "sh", "-c", "echo ready; exec sleep 60") as screen:
        screen.until(b"ready")
        screen.type(CTRL_C)
        screen.until(b"one more Ctrl-C within 2 s cancels")
        screen.type(CTRL_C)
        assert screen.end() == 128 + signal.SIGTERM
    log = events(shared_daemon, last_job(shared_daemon))
    assert context(log, "exception")["note"] == "interrupted by Ctrl-C"


def test_ctrl_c_and_ctrl_z_detach(shared_daemon: DaemonProcess) -> None:
    """The job goes on."""
    with terminal(shared_daemon, "run", "sh", "-c", "echo ready; exec sleep 60") as screen:
        screen.until(b"ready")
        screen.type(CTRL_C)
        screen.until(b"Ctrl-Z detaches")
        screen.type(CTRL_Z)
        screen.until(b"which goes on")
        assert screen.end() == 0
    id_ = last_job(shared_daemon)
    shared_daemon.rpc("job-manager.raise", {"id": id_, "type": "cancel", "severity": 0})
    assert context(events(shared_daemon, id_), "exception")["type"] == "cancel"


def test_signals_go_to_the_job(shared_daemon: DaemonProcess) -> None:
    """SIGUSR1 and its kin, as from flux job attach."""
    script = "trap 'echo caught; exit 9' USR1; echo ready; while :; do sleep 0.05; done"
    with subprocess.Popen(
        argv(shared_daemon, "run", "sh", "-c", script), stdout=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(6) == b"ready\n"
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.read() == b"caught\n"
        assert process.wait() == 9


def test_a_closed_output_cancels(shared_daemon: DaemonProcess) -> None:
    """As a pipe would end it: jobmgr run yes | head."""
    with subprocess.Popen(
        argv(shared_daemon, "run", "yes"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.read(2)
        process.stdout.close()
        assert process.wait() == 141
    log = events(shared_daemon, last_job(shared_daemon))
    assert context(log, "exception")["note"] == "nobody reads the output"


def test_submit_watches_many(shared_daemon: DaemonProcess) -> None:
    """Their output, the largest exit code; a bar on a terminal."""
    words = ("submit", "--quiet", "--cc=1-5", "--watch", "sh", "-c", "echo {cc}; exit {cc}")
    done = run(shared_daemon, *words)
    assert (done.returncode, sorted(done.stdout.split())) == (5, [b"1", b"2", b"3", b"4", b"5"])
    bar = ("submit", "--quiet", "--cc=1-3", "--wait", "--progress", "--jps", "sleep", "0.2")
    with terminal(shared_daemon, *bar) as screen:
        screen.until(b"waiting for jobs")
        screen.until(b"3/3")
        screen.until(b" job/s")
        assert screen.end() == 0


def test_submit_waits_for_an_event(jobmgr: Jobmgr) -> None:
    """Without waiting for the end; a job that ends without it fails."""
    done = jobmgr("submit", "--wait-event=start", "sleep", "60")
    assert done.exit_code == 0
    jobmgr("cancel", done.stdout.strip())
    never = jobmgr("submit", "--wait-event=nope", "sh", "-c", "exit 3")
    assert (never.exit_code, "event 'nope' never received" in never.stderr) == (3, True)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("-o", "exit-timeout=none", "--rlimit=core=0", "sh", "-c", "ulimit -Sc"), "0\n"),
        (("--cores=2", "--tasks-per-core=2", "echo", "{{taskid}}/{{size}}"), "0/4 1/4 2/4 3/4"),
        (("-n2", "--taskmap=cyclic", "echo", "{{node.id}}"), "0 0"),
        (("--input=/etc/hostname", "sh", "-c", "cat > /dev/null; echo read"), "read"),
    ],
)
def test_options_reach_the_tasks(
    stopped_daemon: DaemonProcess, words: tuple[str, ...], expected: str
) -> None:
    """Limits, counts, maps, files."""
    stopped_daemon.configure("[resource]\ncores = 4\n")
    stopped_daemon.start()
    done = run(stopped_daemon, "run", *words)
    assert (done.returncode, done.stderr) == (0, b"")
    assert sorted(done.stdout.decode().split()) == expected.split()


def test_status_of_an_attached_job_is_its_own(shared_daemon: DaemonProcess) -> None:
    """128 and the signal."""
    done = run(shared_daemon, "run", "sh", "-c", "kill -KILL $$")
    assert done.returncode == 128 + signal.SIGKILL
    assert status(events(shared_daemon, last_job(shared_daemon))) == signal.SIGKILL
