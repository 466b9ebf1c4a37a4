"""One task as a process: the leader of a session and process group of its own.

posix_spawn(3) shares memory with the child until its exec, as vfork(2) does: a spawn costs the
same whatever the size of the supervisor (0.25 ms on a 2-core machine; subprocess.Popen: 0.37 ms).
"""

import errno
import fcntl
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from jobmgrd.exec.inheritance import NOFILE, Inheritance

_FAULTS: Final = {
    errno.ENOENT: "command not found",
    errno.EACCES: "permission denied",
    errno.ENOEXEC: "not a program, nor a script with a #! line",
    errno.E2BIG: "arguments and environment are too long",
}
"""What execve(2) may say of a command, in the words of a shell."""

_RESTORED: Final = tuple(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
"""Programs expect that no signal is ignored, whatever Python or who started the daemon ignores."""

_FEW: Final = 64
"""Descriptors that may be low. What is kept beyond them is put beyond NOFILE: posix_spawn(3) hands
no descriptor on that is beyond the task's own limit of open files, so low ones have to be left."""


class StartError(Exception):
    """A task could not be started, and nothing of it runs; the text is for the user."""


class Process:
    """A started task.

    N.B. The process stays a zombie until `reap`. So long its number cannot be given to another
    process, and its group can be signalled without harm to a stranger.

    Attributes:
        pidfd: readable once the process has exited.
        status: its wait status as wait(2) encodes it, once it was reaped.
        pipes: our ends of the pipes to its stdin, stdout and stderr (0, 1, 2), if it has them.
    """

    def __init__(self, pid: int, pidfd: int, pipes: Mapping[int, int]) -> None:
        self._pid = pid
        self.pidfd = pidfd
        self.pipes = pipes
        self.status: int | None = None

    def signal(self, signum: int) -> None:
        """Send a signal to the process group, if the process has not been reaped."""
        if self.status is None:
            # EPERM: all that is left of the group runs as another user.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signum)

    def peek(self) -> int:
        """The wait status of the exited process, which stays a zombie."""
        found = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is None:
            return 0
        exited = found.si_code == os.CLD_EXITED
        return found.si_status << 8 if exited else found.si_status

    def reap(self) -> int:
        """Forget the exited process, and give its wait status."""
        _, self.status = os.waitpid(self._pid, 0)
        os.close(self.pidfd)
        return self.status


def spawn(
    command: list[str],
    *,
    inheritance: Inheritance,
    environment: Mapping[str, str],
    streams: Sequence[int | None],
) -> Process:
    """Start a process.

    Args:
        command: program, searched for in the environment's PATH, and arguments.
        inheritance: where it starts, and its limits.
        environment: all of it.
        streams: descriptors of its stdin, stdout and stderr; None makes a pipe of it.

    Raises:
        StartError: nothing runs; the text names the command or the directory at fault.
    """
    theirs: list[int] = []
    pipes: dict[int, int] = {}
    made: list[int] = []
    try:
        for target, fd in enumerate(streams):
            if fd is None:
                read, write = os.pipe2(os.O_CLOEXEC)
                made += (read, write)
                fd, ours = (read, write) if target == 0 else (write, read)  # noqa: PLW2901
                pipes[target] = made[made.index(ours)] = _aside(ours)
            theirs.append(fd)
        with inheritance.taken_on():
            pid = _spawn(command, environment, theirs)
        inheritance.limit(pid)
        process = Process(pid, _watch(pid), pipes)
    except OSError as error:
        _close(made)
        raise StartError(_explain(error, command[0], inheritance.cwd)) from error
    except ValueError as error:
        # A NUL in an argument, a "=" in a variable's name, text that is not UTF-8.
        _close(made)
        raise StartError(f"cannot run {command[0]!r}: {error}") from error
    _close(set(made) - set(pipes.values()))
    return process


def _spawn(command: list[str], environment: Mapping[str, str], fds: Sequence[int]) -> int:
    """Start the first of the files that the command may mean."""
    actions = [(os.POSIX_SPAWN_DUP2, fd, target) for target, fd in enumerate(fds)]
    for path in _found(command[0], environment):
        try:
            return os.posix_spawn(
                path,
                command,
                environment,
                file_actions=actions,
                setsid=True,
                setsigmask=(),
                setsigdef=_RESTORED,
            )
        except PermissionError:
            continue
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), command[0])


def _found(command: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Where a command may be, as execvp(3) looks for it.

    Raises:
        OSError: it is not there.
    """
    if "/" in command:
        yield command
        return
    fault: OSError = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command)
    for directory in os.get_exec_path(environment):
        path = f"{directory or '.'}/{command}"
        if os.access(path, os.X_OK):
            yield path
        try:
            os.stat(path)  # noqa: PTH116 - a Path costs more than the call
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            fault = error
        else:
            fault = PermissionError(errno.EACCES, os.strerror(errno.EACCES), command)
    raise fault


def _watch(pid: int) -> int:
    """A descriptor that tells of the end of a child; without one the child is killed."""
    try:
        return _aside(os.pidfd_open(pid))
    except OSError:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise


def _aside(fd: int) -> int:
    """The same descriptor, out of the way of those that tasks are handed."""
    if fd < _FEW:
        return fd
    try:
        high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, NOFILE)
    except OSError:  # there is no room, or the system allows no more
        return fd
    os.close(fd)
    return high


def _close(fds: "set[int] | list[int]") -> None:
    for fd in fds:
        os.close(fd)


def _explain(error: OSError, command: str, cwd: str) -> str:
    """Say what is wrong with a command or its directory in words that help."""
    if error.filename == cwd:
        if error.errno == errno.ENOENT:
            return f"cwd does not exist: {cwd}"
        return f"cannot enter cwd: {cwd}: {error.strerror}"
    found = str(error.filename)
    if error.errno == errno.ENOENT and "/" in found and Path(cwd, found).exists():
        return f"interpreter not found: {command} names one in its first line"
    if error.errno in _FAULTS:
        return f"{_FAULTS[error.errno]}: {command}"
    return f"cannot run {command}: {error.strerror}"
