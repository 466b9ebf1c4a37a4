"""jobmgr without a daemon: help, usage errors, and what a failure looks like."""

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from jobmgrd import VERSION
from jobmgrd.cli.daemon import main as jobmgrd
from jobmgrd.cli.failure import BROKEN_PIPE, INTERRUPTED, reported
from jobmgrd.cli.jobmgr import cli
from tests.cli.conftest import Jobmgr

HEAVY = {"zmq", "msgspec", "asyncio", "rich", "structlog"}


def commands(group: click.Group, *above: str) -> Iterator[tuple[str, ...]]:
    """Every command line that names a command."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, *above, name)
        else:
            yield (*above, name)


def groups(group: click.Group, *above: str) -> Iterator[tuple[str, ...]]:
    """Every command line that names a group."""
    yield above
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from groups(command, *above, name)


ALL = list(commands(cli))


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_every_command_explains_itself_with_examples(command: tuple[str, ...]) -> None:
    """--help has a sentence and examples that name the command."""
    result = CliRunner().invoke(cli, [*command, "--help"])
    assert result.exit_code == 0
    _, _, examples = result.output.partition("Examples:\n")
    assert "jobmgr " + " ".join(command) in examples


@pytest.mark.parametrize("program", [cli, jobmgrd], ids=["jobmgr", "jobmgrd"])
def test_lists_of_commands_end_in_whole_sentences(program: click.Group) -> None:
    """A summary that does not fit is cut by click, in the middle of what it says."""
    for group in groups(program):
        result = CliRunner().invoke(program, [*group, "--help"])
        _, _, listed = result.output.partition("Commands:\n")
        lines = listed.partition("Examples:")[0].splitlines()
        assert [line for line in lines if line.endswith("...") and not line.endswith(", ...")] == []


@pytest.mark.parametrize("command", [[], ["job"]], ids=" ".join)
def test_help_imports_nothing_heavy(command: list[str]) -> None:
    """The list of commands is shown without importing what the commands need."""
    code = (
        "import sys; from jobmgrd.cli.jobmgr import cli\n"
        "try: cli()\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    argv = [sys.executable, "-c", code, *command, "--help"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stderr.split())


def test_version(lonely_jobmgr: Jobmgr) -> None:
    """--version names the program and its version."""
    assert lonely_jobmgr("--version").output == f"jobmgr, version {VERSION}\n"


@pytest.mark.parametrize(
    "words",
    [
        ["jobs"],
        ["submit", "true"],
        ["run", "true"],
        ["cancel", "ƒ2"],
        ["job", "purge", "--all"],
        ["job", "wait", "ƒ2"],
        ["job", "wait", "--all"],
        ["cancel", "--all"],
        ["job", "raiseall", "note"],
        ["job", "killall"],
        ["housekeeping", "list"],
        ["update", "ƒ2", "duration=1h"],
        ["job", "pin", "--list"],
        ["job", "retention", "ƒ2"],
        ["job", "orphans"],
        ["job", "status", "ƒ2"],
        ["job", "wait-event", "ƒ2", "start"],
        ["job", "last"],
        ["job", "timeleft", "ƒ2"],
        ["stats", "--totals"],
        ["event", "sub"],
        ["event", "purges"],
        ["ping", "-c1"],
    ],
    ids=" ".join,
)
def test_no_daemon_is_one_line(lonely_jobmgr: Jobmgr, words: list[str]) -> None:
    """Without a daemon every command says so in a line and exits with 1."""
    result = lonely_jobmgr(*words)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("jobmgr: no jobmgrd answers at ipc://")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("local:///nowhere/local", "no jobmgrd answers at local:///nowhere/local: No such file"),
        ("local:///", "no jobmgrd answers at local:///: "),
        ("local://", "local://: expected a run directory or an endpoint local://PATH"),
        ("ssh://h/run/flux/local", "expected a run directory or an endpoint local://PATH"),
        (f"local:///{'x' * 107}", "path has 108 bytes, a unix socket's has at most 107"),
    ],
    ids=["not there", "no socket", "no path", "another scheme", "too long"],
)
@pytest.mark.parametrize("words", [["stats"], ["run", "true"], ["event", "sub"]], ids=" ".join)
def test_a_uri_where_no_daemon_is_is_one_line(uri: str, text: str, words: list[str]) -> None:
    """Whatever is wrong with it."""
    result = CliRunner().invoke(cli, ["--uri", uri, *words])
    assert result.exit_code == 1
    assert result.stderr.startswith("jobmgr: ")
    assert text in result.stderr
    assert result.stderr.count("\n") == 1


def test_uri_is_taken_after_the_command_too() -> None:
    """--uri may stand where people write it."""
    result = CliRunner().invoke(cli, ["jobs", "--uri", "/nowhere"])
    assert "ipc:///nowhere/rpc" in result.stderr


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["nonsense"], "No such command"),
        (["submit"], "Missing argument 'COMMAND...'"),
        (["submit", "-t", "1x", "true"], "invalid FSD '1x'"),
        (["submit", "-t", "inf", "true"], "inf is not finite"),
        (["submit", "-n0", "true"], "0 is not in the range"),
        (["submit", "--cc=3-1", "true"], "invalid idset"),
        (["submit", "--urgency=32", "true"], "'32' is not 0 to 31"),
        (["submit", "--flags=waitable,quick", "true"], "'quick' is not a flag"),
        (["cancel"], "give either JOBIDs, or --all, --user or --states"),
        (["cancel", "--all", "ƒ2"], "give either JOBIDs, or --all"),
        (["cancel", "-u", "all", "ƒ2"], "give either JOBIDs, or --all"),
        (["cancel", "-S", "sleeping"], "'sleeping' is not one of depend, priority"),
        (["cancel", "-S", "run,inactive"], "exceptions cannot be raised on inactive jobs"),
        (["job", "raiseall"], "Missing argument 'TYPE'"),
        (["job", "raiseall", "-s", "8", "note"], "8 is not in the range"),
        (["job", "killall", "-s", "NOPE"], "'NOPE' is not a signal"),
        (["job", "killall", "ƒ2"], "unexpected extra argument"),
        (["update", "ƒ2"], "Missing argument 'KEY=VAL...'"),
        (["update", "ƒ2", "duration"], "expected KEY=VAL"),
        (["housekeeping", "kill"], "give one of --targets, --jobid and --all"),
        (["housekeeping", "kill", "--all", "-j", "ƒ2"], "--all and --jobid do not go together"),
        (["housekeeping", "kill", "-t", "all"], "invalid idset"),
        (["job", "wait", "--all", "ƒ2"], "give either JOBIDs or --all"),
        (["cancel", "ƒ0"], "invalid jobid"),
        (["job", "purge", "--all", "--num-limit=3"], "only one of them"),
        (["job", "purge", "--age-limit=-1"], "invalid FSD"),
        (["job", "purge", "--batch=101"], "101 is not in the range"),
        (["job", "pin"], "give either JOBIDs or --list"),
        (["job", "pin", "--list", "ƒ2"], "give either JOBIDs or --list"),
        (["job", "pin", "ƒ2"], "say why with --reason"),
        (["job", "pin", "ƒ2", "--reason=x", "--until=soon"], "'soon' is neither a time nor"),
        (["job", "pin", "ƒ2", "--reason=x", "--until=1e9d"], "further away than dates reach"),
        (["stats", "--days=3"], "--days needs --totals"),
        (["stats", "--totals", "heartbeat"], "neither --parse nor a service"),
        (["job", "purge", "--list", "ƒ2"], "--list goes with limits or --all"),
        (["jobs", "-f", "sleeping"], "'sleeping' is neither a state nor a result"),
        (["jobs", "-o", "{nonsense}"], "there is no field 'nonsense'"),
        (["jobs", "-o", "nonsense"], "neither a format nor one of default, cute, long"),
        (["jobs", "--sort", "nonsense"], "there is no field 'nonsense'"),
        (["jobs", "--color=maybe"], "'maybe' is not one of"),
        (["jobs", "-u", "no-such-user"], "there is no user 'no-such-user'"),
        (["jobs", "-i", "[3-1]"], "neither an idset nor a hostlist"),
        (["jobs", "--since", "yore"], "'yore' is neither a time nor a duration"),
        (["jobs", "--archive", "-f", "failed"], "--archive takes no filter"),
        (["jobs", "--json", "--stats"], "--json goes with neither --stats"),
        (["job", "last", "x"], "'x' is neither a number nor a slice"),
        (["job", "last", "[1:2:0]"], "neither a number nor a slice"),
        (["job", "status"], "Missing argument 'JOBID...'"),
        (["job", "status", "-e", "256", "ƒ2"], "256 is not in the range"),
        (["job", "wait-event", "-m", "word", "ƒ2", "finish"], "expected KEY=VAL"),
        (["job", "kill", "-s", "NOPE", "ƒ2"], "'NOPE' is not a signal"),
        (["job", "memo", "ƒ2", "word"], "expected KEY=VAL"),
        (["event", "pub", "a", "[1]"], "expected a JSON object"),
        (["stats", "--json", "--parse", "x"], "either --json or --parse"),
    ],
    ids=str,
)
def test_wrong_usage_exits_with_2(lonely_jobmgr: Jobmgr, words: list[str], text: str) -> None:
    """What is typed wrong is said before any daemon is asked."""
    result = lonely_jobmgr(*words)
    assert result.exit_code == 2
    assert text in result.stderr


def test_env_rule_with_an_unset_variable_is_refused(lonely_jobmgr: Jobmgr) -> None:
    """VAL of --env may only name variables that are set."""
    result = lonely_jobmgr("submit", "--env=X=$JOBMGR_UNSET", "true")
    assert result.exit_code == 1
    assert result.stderr == "jobmgr: --env=X=$JOBMGR_UNSET: $JOBMGR_UNSET is not set\n"


@pytest.mark.parametrize(
    ("spelling", "text"),
    [("dec", "1234"), ("hex", "0x4d2"), ("dothex", "0000.0000.0000.04d2"), ("f58", "ƒNH")],
)
def test_ids_are_spelled_as_asked(lonely_jobmgr: Jobmgr, spelling: str, text: str) -> None:
    """`job id` needs no daemon, and reads what it writes."""
    assert lonely_jobmgr("job", "id", f"--to={spelling}", "1234").output == f"{text}\n"
    assert lonely_jobmgr("job", "id", "--to=dec", text).output == "1234\n"


def test_an_interrupt_exits_with_130() -> None:
    """Ctrl-C is neither a traceback nor click's exit code 1."""
    with pytest.raises(SystemExit) as exit_, reported():
        raise KeyboardInterrupt
    assert exit_.value.code == INTERRUPTED


def test_an_unexpected_error_is_no_traceback() -> None:
    """Even a bug is one line."""
    with pytest.raises(click.ClickException, match="internal error: KeyError: 'x'"), reported():
        raise KeyError("x")


def test_a_reader_that_leaves_early_is_no_error_message() -> None:
    """`jobmgr ... | head` ends silently."""
    argv = [sys.executable, "-m", "jobmgrd.cli.jobmgr", "job", "id"]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        _, errors = process.communicate(b"1 2 3")
    assert (process.returncode, errors) == (BROKEN_PIPE, b"")
