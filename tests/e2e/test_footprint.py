"""What the daemon leaves on the host: nothing is written outside of its run and state directories.

Every Python process of it has an audit hook that notes what it does to file systems. SQLite and
ZeroMQ are not heard by it: they are led to believe that temporary files go to a directory of the
test's, as are home and working directory, which must not have been touched.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from protocol.jobspec import set_attribute
from tests.conftest import DaemonProcess
from tests.e2e.jobs import events, names, real, run_jobs, submit, wait_for

AUDITED: Final = Path(__file__).parents[1] / "audited"
PLACES: Final = ("home", "tmp", "cwd")
CONFIG: Final = """
[heartbeat]
period = "50ms"
[exec]
kill-timeout = "200ms"
[job-manager.archive]
[job-manager.prolog]
command = ["true"]
[job-manager]
inactive-num-limit = {limit}
"""


class Watched:
    """A daemon in an environment that notes what it writes."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self.daemon = daemon
        self._log = daemon.directory / "audit"
        self._places = {name: daemon.directory / name for name in PLACES}
        for place in self._places.values():
            place.mkdir()
        self._times = self._touched()
        self.cwd = self._places["cwd"]
        tmp = str(self._places["tmp"])
        self.environ = {
            "AUDIT": str(self._log),
            "PYTHONPATH": str(AUDITED),
            "HOME": str(self._places["home"]),
            "TMPDIR": tmp,
            "SQLITE_TMPDIR": tmp,
        }
        daemon.environ = self.environ

    def _touched(self) -> dict[str, int]:
        """Changes with every file that is made or removed in the places, left behind or not."""
        return {name: place.stat().st_mtime_ns for name, place in self._places.items()}

    def command(self, *words: str) -> str:
        """Run a command of Python in the same environment; what it prints."""
        argv = [sys.executable, *words]
        environ = {"PATH": "/usr/bin:/bin", **self.environ}
        done = subprocess.run(
            argv, env=environ, cwd=self.cwd, capture_output=True, text=True, check=True, timeout=30
        )
        return done.stdout

    def jobmgrd(self, *words: str) -> str:
        """Run a command beside the daemon."""
        daemon = self.daemon
        places = ["--rundir", str(daemon.rundir), "--statedir", str(daemon.statedir)]
        module = ["-m", "jobmgrd.cli.daemon", "--config", str(daemon.config)]
        return self.command(*module, *places, *words)

    def notes(self) -> list[dict[str, Any]]:
        """All that was heard."""
        if not self._log.exists():
            return []
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def outside(self, *allowed: Path) -> set[tuple[str, str]]:
        """Events and paths that are in none of these; Python's own byte code is not counted."""
        found = {
            (note["event"], note["path"])
            for note in self.notes()
            if not any(Path(note["path"]).is_relative_to(place) for place in allowed)
            and "__pycache__" not in Path(note["path"]).parts
            and note["path"] not in {"/dev/null", "/proc/self/oom_score_adj"}
        }
        now = self._touched()
        return found | {("touched", name) for name in PLACES if now[name] != self._times[name]}


@pytest.fixture
def watched(stopped_daemon: DaemonProcess, monkeypatch: pytest.MonkeyPatch) -> Watched:
    """A daemon that is watched, not started."""
    made = Watched(stopped_daemon)
    monkeypatch.chdir(made.cwd)
    return made


def test_a_whole_life_leaves_nothing_outside(watched: Watched) -> None:
    """Jobs with output, input and files of their own; purges, archive, backup, reload, kill, stop.

    What jobs write is theirs: the file that one has its output in is not counted.
    """
    daemon = watched.daemon
    daemon.configure(CONFIG.format(limit=1000))
    daemon.start()
    output = daemon.directory / "output"
    script = 'touch "$FLUX_JOB_TMPDIR/x"; cat "$FLUX_JOB_TMPDIR/note"'
    job = real("sh", "-c", script, cwd=str(daemon.directory))
    set_attribute(job, "system.shell.options.output.stdout.type", "file")
    set_attribute(job, "system.shell.options.output.stdout.path", str(output))
    set_attribute(job, "system.files", {"note": {"mode": 0o100600, "data": "hello"}})
    (id,) = submit(daemon, job)
    assert names(events(daemon, id))[-1] == "clean"
    assert output.read_text() == "hello"
    run_jobs(daemon, 5)
    (running,) = submit(daemon, real("sleep", "60"))
    wait_for(daemon, running, "start")
    daemon.kill()
    daemon.start()
    backup = daemon.directory / "backup"
    watched.jobmgrd("backup", str(backup))
    watched.jobmgrd("check")
    daemon.configure(CONFIG.format(limit=2))
    daemon.reload()
    while daemon.rpc("job-manager.stats-get")["inactive_jobs"] > 2:
        pass  # heartbeats purge
    doctor = watched.command("-m", "jobmgrd.cli.jobmgr", "--uri", daemon.uri, "doctor", "--json")
    assert json.loads(doctor)["status"] != "error"
    assert daemon.stop() == 0

    assert watched.outside(daemon.rundir, daemon.statedir, backup, output) == set()
    written = {(note["event"], note["path"]) for note in watched.notes()}
    heard = {Path(path).name for _, path in written}  # daemon, archive, backup; the supervisor's
    assert heard >= {"jobs.sqlite", "archive.sqlite", "lock", "local", "exec", "output", "note"}
    modes = {f.name: f.stat().st_mode & 0o777 for f in daemon.statedir.iterdir() if f.is_file()}
    assert set(modes.values()) == {0o600}, modes


@pytest.mark.parametrize(
    "code",
    [
        "import tempfile; tempfile.TemporaryFile(dir='/tmp')",
        "import tempfile; tempfile.mkdtemp()",
        "from pathlib import Path; Path('/var/tmp/NAME').touch(); Path('/var/tmp/NAME').unlink()",
        "import sqlite3; sqlite3.connect('/tmp/NAME.sqlite')",
        "import os, socket; socket.socket(socket.AF_UNIX).bind('NAME'); os.unlink('NAME')",
        "import subprocess; subprocess.run(['touch', 'NAME'], check=True)",
    ],
    ids=["gone at once", "temporary", "there and gone", "database", "socket", "not of Python"],
)
def test_who_writes_elsewhere_is_seen(watched: Watched, code: str) -> None:
    """By the hook, or by the place that was touched: else the test above would prove nothing."""
    watched.command("-c", code.replace("NAME", watched.daemon.directory.name))
    assert watched.outside(watched.daemon.rundir, watched.daemon.statedir)
