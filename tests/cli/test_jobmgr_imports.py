"""What a command imports: over the local connector no ZeroMQ, and asyncio only if it is needed."""

import subprocess
import sys

import pytest

from tests.conftest import DaemonProcess

PROGRAM = """
import sys
from jobmgrd.cli.jobmgr import cli
cli(sys.argv[1:], standalone_mode=False)
print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def imported(uri: str, *words: str) -> set[str]:
    """The top-level modules of a process that has run one command line."""
    argv = [sys.executable, "-c", PROGRAM, "--uri", uri, *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    "words",
    [
        ("stats",),
        ("jobs", "-a"),
        ("submit", "true"),
        ("job", "purge", "--num-limit=1000"),
        ("queue", "list"),
        ("ping", "-c1"),
        ("event", "pub", "a.topic"),
        ("event", "sub", "--count=1", "heartbeat"),
    ],
    ids=lambda words: "-".join(words[:2]),
)
def test_a_command_imports_no_zeromq(shared_daemon: DaemonProcess, words: tuple[str, ...]) -> None:
    """It would take longer than all else that the command does."""
    assert "zmq" not in imported(shared_daemon.uri, *words)


@pytest.mark.parametrize(
    "words", [("stats",), ("jobs", "-a"), ("submit", "true"), ("ping", "-c1"), ("job", "stats")]
)
def test_who_asks_one_thing_imports_no_asyncio(
    shared_daemon: DaemonProcess, words: tuple[str, ...]
) -> None:
    """The same."""
    assert "asyncio" not in imported(shared_daemon.uri, *words)


def test_over_zeromq_it_is_imported(shared_daemon: DaemonProcess) -> None:
    """So the tests above would notice."""
    assert "zmq" in imported(f"ipc://{shared_daemon.rundir}/rpc", "stats")
