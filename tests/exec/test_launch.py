"""The supervisor as a process: found or started, and gone when nobody needs it."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from jobmgrd.exec.launch import Launcher
from jobmgrd.exec.port import ExecError, Fate, Finished
from jobmgrd.exec.remote import RemoteExecutor
from tests.exec.recorder import Recorder, attempt


class Daemons:
    """Daemons of one run directory, one after the other."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "exec"
        self.log = directory / "exec.log"
        self.pids: set[int] = set()

    async def next(self, told: Recorder, position: bytes = b"") -> RemoteExecutor:
        """The executor of another daemon, opened; idle supervisors end at once without it."""
        launcher = Launcher(self.path, self.log, linger=0.05)
        executor = RemoteExecutor(told, launcher, kill_timeout=0.1, output_limit=1 << 20)
        await executor.open(position)
        self.pids.add(executor._found.pid)
        return executor

    async def ended(self, pid: int) -> None:
        """Wait until a supervisor has ended; it is this process's child."""
        pidfd = os.pidfd_open(pid)
        loop = asyncio.get_running_loop()
        gone = asyncio.Event()
        loop.add_reader(pidfd, gone.set)
        async with asyncio.timeout(20):
            await gone.wait()
        loop.remove_reader(pidfd)
        os.close(pidfd)
        self.pids.discard(pid)


def reap() -> None:
    """Forget the supervisors that have ended; all are this process's children."""
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


@pytest.fixture
async def daemons() -> AsyncIterator[Daemons]:
    """Daemons whose supervisors end with the test."""
    with TemporaryDirectory(prefix="jm-") as directory:
        made = Daemons(Path(directory))
        yield made
        for pid in tuple(made.pids):
            os.kill(pid, signal.SIGTERM)
            await made.ended(pid)
        reap()


async def test_a_supervisor_outlives_its_daemon(told: Recorder, daemons: Daemons) -> None:
    """In a session of its own; the next daemon finds the same one, and its attempt."""
    first = await daemons.next(told)
    first.begin()
    first.start(attempt("sleep", "60"))
    await told.start()
    await first.close()
    second = await daemons.next(told, first.position)
    (pid,) = daemons.pids
    assert os.getsid(pid) == pid
    assert second.resume(attempt(), 1.0) is Fate.RUNNING
    second.begin()
    second.cancel(1)
    assert await told.end() == Finished(1, signal.SIGTERM)
    await second.close()


async def test_an_idle_supervisor_ends(told: Recorder, daemons: Daemons) -> None:
    """After a while without a daemon, and not before what it has to tell is durable."""
    first = await daemons.next(told)
    first.begin()
    first.start(attempt("true"))
    await told.end()
    await first.close()
    (pid,) = daemons.pids
    second = await daemons.next(told)
    assert daemons.pids == {pid}
    second.acknowledge(first.position)
    await second.close()
    await daemons.ended(pid)


async def test_a_supervisor_that_nobody_can_reach_ends(told: Recorder, daemons: Daemons) -> None:
    """What it has to tell is lost with its socket; its jobs are not: they end first."""
    first = await daemons.next(told)
    first.begin()
    first.start(attempt("sleep", "0.2"))
    await told.start()
    daemons.path.unlink()
    await first.close()
    await daemons.ended(daemons.pids.copy().pop())


@pytest.mark.parametrize("signum", [signal.SIGHUP, signal.SIGINT])
async def test_a_terminals_signals_are_nothing_to_it(
    told: Recorder, daemons: Daemons, signum: int
) -> None:
    """They are meant for the daemon that was started there."""
    executor = await daemons.next(told)
    executor.begin()
    (pid,) = daemons.pids
    os.kill(pid, signum)
    executor.start(attempt("true"))
    assert await told.end() == Finished(1, 0)
    await executor.close()


async def test_sigterm_ends_its_jobs_first(told: Recorder, daemons: Daemons) -> None:
    """And tells how they ended."""
    executor = await daemons.next(told)
    executor.begin()
    executor.start(attempt("sleep", "60"))
    await told.start()
    (pid,) = daemons.pids
    os.kill(pid, signal.SIGTERM)
    assert await told.end() == Finished(1, signal.SIGTERM)
    await daemons.ended(pid)
    await executor.close()


async def test_a_supervisor_that_cannot_start_is_an_error(
    told: Recorder, daemons: Daemons, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said to the person who starts the daemon, instead of waiting for ever."""
    monkeypatch.setattr("jobmgrd.exec.launch.sys.executable", "/bin/true")
    with pytest.raises(ExecError, match="ends as soon as it is started"):
        await daemons.next(told)


async def test_its_log_is_private(told: Recorder, daemons: Daemons) -> None:
    """It may hold what jobs are about."""
    executor = await daemons.next(told)
    await executor.close()
    assert daemons.log.stat().st_mode & 0o777 == 0o600
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(daemons.path))
