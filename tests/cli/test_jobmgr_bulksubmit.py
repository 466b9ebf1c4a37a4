"""jobmgr bulksubmit: a job for each input."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jobmgrd.cli.jobmgr import cli
from tests.cli.conftest import Jobmgr
from tests.conftest import DaemonProcess


def bulksubmit(*words: str, stdin: str = "") -> Result:
    """Run it where there is no daemon."""
    words = ("--uri", "/nowhere", "bulksubmit", *words)
    return CliRunner().invoke(cli, words, input=stdin, prog_name="jobmgr")


def planned(*words: str, stdin: str = "") -> list[str]:
    """What would be submitted."""
    lines = bulksubmit("--dry-run", *words, stdin=stdin).stdout.splitlines()
    return [line.removeprefix("bulksubmit: submit ") for line in lines]


def test_options_are_filled_in_too(jobmgr: Jobmgr) -> None:
    """Each job is parsed by itself; --cc multiplies it; all are waited for."""
    words = ("--watch", "--quiet", "-n", "{}", "--cc={seq1}-3", "sh", "-c", "echo {} {cc}")
    done = jobmgr("bulksubmit", *words, ":::", "1", "2")
    assert done.exit_code == 0
    assert sorted(done.stdout.splitlines()) == ["1 1", "1 2", "1 3", *["2 2"] * 2, *["2 3"] * 2]


def test_inputs_come_from_stdin_and_files(tmp_path: Path) -> None:
    """A line each, or what --sep says; without a command they are commands."""
    assert planned("echo", "{}", stdin="a b\nc\n") == ["echo 'a b'", "echo c"]
    assert planned(stdin="true\nfalse\n") == ["true", "false"]
    assert planned("--sep=none", "x", "{}", stdin="a b\nc")[2] == "--sep=none x c"
    (tmp_path / "in").write_text("p,q")
    found = planned("--sep", ",", "x", "{0}{1}", "::::", f"{tmp_path}/in", ":::+", "1", "2")
    assert found == ["--sep , x p1", "--sep , x q2"]


def test_an_order_at_random_loses_none() -> None:
    """--shuffle."""
    many = [str(n) for n in range(50)]
    found = planned("--shuffle", "echo", "{}", ":::", *many)
    assert sorted(line.split()[-1] for line in found) == sorted(many)


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("-n", "{}", "x", ":::", "y"), 2, "'y' is not a valid integer"),
        (("x", "{3}", ":::", "y"), 2, "'{3}': there is no input 3, only 1 from 0."),
        (("--nope", "x", ":::", "y"), 2, "No such option '--nope'"),
        (("x", "::::", "/no/such"), 1, "jobmgr: cannot read /no/such: No such file or directory"),
        (("x",), 1, "jobmgr: bulksubmit: there are no inputs"),
    ],
)
def test_what_is_wrong_is_named(words: tuple[str, ...], code: int, text: str) -> None:
    """Before anything is submitted."""
    result = bulksubmit(*words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert text in result.stderr


def test_the_result_is_the_largest_exit_code(jobmgr: Jobmgr, shared_daemon: DaemonProcess) -> None:
    """As of submit; ids go to the log that each input names."""
    log = f"--log={shared_daemon.directory}/{{}}.log"
    done = jobmgr("bulksubmit", "--wait", log, "sh", "-c", "exit {}", ":::", "0", "5", "3")
    assert (done.exit_code, done.output) == (5, "")
    assert (shared_daemon.directory / "5.log").read_text().startswith("ƒ")
