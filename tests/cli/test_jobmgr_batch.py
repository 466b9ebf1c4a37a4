"""jobmgr batch: scripts, their directives, and what is wrong with them."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.cli.conftest import Jobmgr
from tests.conftest import DaemonProcess
from tests.e2e.jobs import events

SCRIPT = """#!/bin/sh
# flux: -n2 --job-name=named
# flux: --output=OUT --setattr=user.note="a b"

echo "$1 $JOBMGRD_CORES $FLUX_JOB_SIZE $(dirname $0)"
exit 3
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A script with directives."""
    path = tmp_path / "script.sh"
    path.write_text(SCRIPT.replace("OUT", f"{tmp_path}/out"))
    return path


@pytest.fixture(scope="module")
def shared_daemon() -> Iterator[DaemonProcess]:
    """A daemon with cores for a batch of slots."""
    with TemporaryDirectory(prefix="jm-") as directory:
        daemon = DaemonProcess(Path(directory))
        daemon.configure("[resource]\ncores = 4\n")
        daemon.start()
        yield daemon
        daemon.kill()
        daemon.end_supervisor()


def test_a_script_runs_once_with_all_slots(
    shared_daemon: DaemonProcess, jobmgr: Jobmgr, script: Path, tmp_path: Path
) -> None:
    """As its directives say; it is kept with the job, so that it may be gone meanwhile."""
    done = jobmgr("batch", "--wait", str(script), "--arg")
    assert done.exit_code == 3, done.output
    words = (tmp_path / "out").read_text().split()
    assert words[:3] == ["--arg", "0,1", "1"]
    assert words[3].startswith(f"{shared_daemon.rundir}/jobtmp/")
    (job,) = shared_daemon.rpc("job-list.list", {"max_entries": 1, "attrs": ["all"]})["jobs"]
    assert job["name"] == "named"
    events(shared_daemon, job["id"])


def test_the_command_line_goes_first(jobmgr: Jobmgr, script: Path, tmp_path: Path) -> None:
    """Over what the script says."""
    jobmgr("batch", "--wait", "-n3", f"--output={tmp_path}/other", str(script))
    assert (tmp_path / "other").read_text().split()[0] == "0,1,2"


def test_words_may_be_wrapped(jobmgr: Jobmgr, tmp_path: Path) -> None:
    """In a script of their own; output goes to a file named after the job by default."""
    done = jobmgr("batch", "--wait", f"--cwd={tmp_path}", "--wrap", "echo", "a  b;", "exit", "4")
    assert done.exit_code == 4
    (out,) = tmp_path.glob("jobmgr-*.out")
    assert out.read_text() == "a b\n"
    assert out.name == f"jobmgr-{done.stdout.strip()}.out"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("echo\n", "script does not appear to start with '#!'"),
        ("#!/bin/sh\n#flux: -n x\n", "script: line 2: Invalid value for '-n'"),
        ("#!/bin/sh\n#flux: --nope\n", "script: line 2: No such option"),
        ("#!/bin/sh\n#flux: -n1 more\n", "script: line 2: 'more' is no option"),
        ("#!/bin/sh\n#flux: more\n", "script: line 2: Unknown directive: more"),
        ("#!/bin/sh\n# flux: -n1\n#flux: -n1\n", "script: line 3: sentinel changed"),
        ("#!/bin/sh\n\udcff", "script does not appear to be a script: it is not UTF-8"),
    ],
)
def test_what_is_wrong_with_a_script_is_named(
    lonely_jobmgr: Jobmgr, tmp_path: Path, text: str, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its name and line, before anything is asked of a daemon."""
    monkeypatch.chdir(tmp_path)
    Path("script").write_bytes(text.encode(errors="surrogateescape"))
    done = lonely_jobmgr("batch", "script")
    assert done.exit_code == 1
    assert done.stderr.startswith(f"jobmgr: {error}")


def test_a_script_that_is_not_there_is_named(lonely_jobmgr: Jobmgr) -> None:
    """As the system says it."""
    done = lonely_jobmgr("batch", "/no/such")
    assert done.stderr == "jobmgr: cannot read /no/such: No such file or directory\n"
