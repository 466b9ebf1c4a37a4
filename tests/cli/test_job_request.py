"""The request that submit's and run's options make."""

from pathlib import Path
from typing import Any

import click
import pytest

from jobmgrd.cli.submission.environment import environment
from jobmgrd.cli.submission.request import JobOptions, job_options, requester
from protocol.job import Flag
from protocol.job_manager import SubmitRequest
from protocol.jobspec import parse


def request(*words: str, cc: int | None = None) -> SubmitRequest:
    """The request of a command line."""

    @click.command(context_settings={"allow_interspersed_args": False})
    @job_options
    @click.argument("command", nargs=-1)
    def command(command: tuple[str, ...], **options: Any) -> SubmitRequest:  # noqa: ANN401
        return requester(JobOptions.of(options), command)(cc)

    made = command.main(list(words), standalone_mode=False)
    assert isinstance(made, SubmitRequest)
    return made


def test_options_are_the_jobspec() -> None:
    """Every option is where RFC 14 and RFC 25 have it."""
    made = request(
        *("-n4", "-c2", "-g1", "-t", "1.5h", "--job-name=sim", "--queue=batch", "--cwd=/tmp"),
        "--bank=physics",
        *("--output=out", "--error=err", "--urgency=expedite", "--flags=waitable,debug"),
        *("--setattr=user.comment=hi", '--setattr=a.b={"c":[1]}', "--setattr=on", "./x", "-n9"),
    )
    assert made.jobspec is not None
    spec = parse(made.jobspec)
    assert spec.command == ("./x", "-n9")
    assert (spec.ntasks, spec.ncores, spec.ngpus, spec.duration) == (4, 8, 4, 5400.0)
    assert (spec.name, spec.queue, spec.bank, spec.cwd) == ("sim", "batch", "physics", "/tmp")
    assert (spec.shell.stdout, spec.shell.stderr) == ("out", "err")
    assert made.jobspec["attributes"]["user"] == {"comment": "hi"}
    assert made.jobspec["attributes"]["system"]["a"] == {"b": {"c": [1]}}
    assert made.jobspec["attributes"]["system"]["on"] == 1
    assert (made.urgency, made.flags) == (31, Flag.WAITABLE | Flag.DEBUG)


def test_nodes_without_tasks_are_whole_nodes() -> None:
    """-N alone runs a task on each node, and nothing else there (flux-submit)."""
    made = request("-N2", "true")
    assert made.jobspec is not None
    spec = parse(made.jobspec)
    assert (spec.nodes, spec.ntasks, spec.exclusive) == (2, 2, True)


def test_cc_is_filled_in() -> None:
    """{cc} is replaced, a {{tag}} for the daemon is not, and the job can read the id."""
    made = request("--output=o.{cc}.{{id}}", "--job-name=j{cc}", "x", "{cc}", "{{cc}}", cc=7)
    assert made.jobspec is not None
    spec = parse(made.jobspec)
    assert spec.command == ("x", "7", "{{cc}}")
    assert (spec.shell.stdout, spec.name) == ("o.7.{{id}}", "j7")
    assert spec.environment["FLUX_JOB_CC"] == "7"


CALLER = {"PATH": "/bin", "HOME": "/h", "OMP_A": "1", "BAD": "\udcff"}


@pytest.mark.parametrize(
    ("rules", "result"),
    [
        ([], {"PATH": "/bin", "HOME": "/h", "OMP_A": "1"}),
        (["A=b"], {"PATH": "/bin", "HOME": "/h", "OMP_A": "1", "A": "b"}),
        (["-*", "PATH", "OMP*"], {"PATH": "/bin", "OMP_A": "1"}),
        (["-*", "PATH=/x", "PATH=$PATH:${HOME}$$"], {"PATH": "/x:/h$"}),
        (["-*", "PATH=/x", "PATH"], {"PATH": "/x"}),
        (["-*", "NONE"], {}),
    ],
    ids=str,
)
def test_environment_rules_apply_in_order(rules: list[str], result: dict[str, str]) -> None:
    """flux-submit(1) ENV RULES; what is no text cannot be sent and is left out."""
    assert environment(rules, CALLER) == result


def test_dependencies_are_appended_in_order() -> None:
    """Those of --dependency, with {cc} filled in, then --begin-time as the scheme of that name."""
    made = request(
        *("--dependency=afterok:f{cc}", "--dependency=singleton", "--begin-time=2026-11-22T18:00Z"),
        "true",
        cc=7,
    )
    assert made.jobspec is not None
    assert list(parse(made.jobspec).dependencies) == [
        {"scheme": "afterok", "value": "f7"},
        {"scheme": "singleton", "value": ""},
        {"scheme": "begin-time", "value": "1795370400.000"},
    ]


def test_a_job_without_dependencies_has_no_key_for_them() -> None:
    """RFC 26 forbids an empty one."""
    made = request("true")
    assert made.jobspec is not None
    assert "dependencies" not in made.jobspec["attributes"]["system"]


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("--dependency=:ƒ1", "Invalid dependency URI"),
        ("--dependency=", "Invalid dependency URI"),
        ("--begin-time=soon", "is neither a time nor a duration"),
    ],
)
def test_a_dependency_that_reads_badly_is_refused(word: str, text: str) -> None:
    """Before anything is asked of a daemon."""
    with pytest.raises(click.BadParameter, match=text):
        request(word, "true")


@pytest.mark.parametrize(
    ("given", "signum", "timeleft"),
    [("USR2@2m", 12, 120.0), ("@1.5", 10, 1.5), ("sigterm", 15, 60.0), ("9@1h", 9, 3600.0)],
)
def test_a_job_may_be_warned_of_its_end(given: str, signum: int, timeleft: float) -> None:
    """--signal: USR1 a minute before, unless it says otherwise."""
    made = request(f"--signal={given}", "-t10m", "true")
    assert made.jobspec is not None
    warn = parse(made.jobspec).shell.warn
    assert warn is not None
    assert (warn.signum, warn.timeleft) == (signum, timeleft)
    with pytest.raises(click.BadParameter, match="NOPE is not a signal"):
        request("--signal=nope", "true")


def test_files_go_along_with_a_job(tmp_path: Path) -> None:
    """As they are now; text as text, other bytes as base64, or what the option itself says."""
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "b").write_bytes(b"\xff")
    words = (f"--add-file={tmp_path}/a.txt", f"--add-file=c:755={tmp_path}/b")
    made = request(*words, "--add-file=d=x=1\ny", "--debug", "true")
    assert made.jobspec is not None
    assert made.jobspec["attributes"]["system"]["files"] == {
        "a.txt": {"mode": 0o100600, "encoding": "utf-8", "data": "text"},
        "c": {"mode": 0o100755, "encoding": "base64", "data": "/w=="},
        "d": {"mode": 0o100600, "encoding": "utf-8", "data": "x=1\ny"},
    }
    assert made.flags == Flag.DEBUG
    for wrong in ("/no/such", "x\ny", f"../e={tmp_path}/b"):
        with pytest.raises(click.BadParameter):
            request(f"--add-file={wrong}", "true")
