"""One task as a process: the leader of a session and process group of its own.

subprocess.Popen spawns by vfork as long as nothing has to run between fork and exec, which makes
a spawn cost the same whatever the size of the daemon (0.3 to 0.7 ms on a 2-core machine).
"""

import errno
import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

_FAULTS: Final = {
    errno.ENOENT: "command not found",
    errno.EACCES: "permission denied",
    errno.ENOEXEC: "not a program, nor a script with a #! line",
    errno.E2BIG: "arguments and environment are too long",
}
"""What execve(2) may say of a command, in the words of a shell."""


class StartError(Exception):
    """A task could not be started, and nothing of it runs; the text is for the user."""


class Process:
    """A started task.

    N.B. The process stays a zombie until `reap`. So long its number cannot be given to another
    process, and its group can be signalled without harm to a stranger.

    Attributes:
        pidfd: readable once the process has exited.
        stdout: read end of a pipe, or None if the output goes elsewhere.
        stderr: the same.
    """

    def __init__(self, popen: "subprocess.Popen[bytes]") -> None:
        self._popen = popen
        self.pidfd = os.pidfd_open(popen.pid)
        self.stdout: IO[bytes] | None = popen.stdout
        self.stderr: IO[bytes] | None = popen.stderr

    def signal(self, signum: int) -> None:
        """Send a signal to the process group, if the process has not been reaped."""
        if self._popen.returncode is None:
            # EPERM: all that is left of the group runs as another user.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, signum)

    def reap(self) -> int:
        """Forget the exited process, and give its wait status as wait(2) encodes it."""
        _, status = os.waitpid(self._popen.pid, 0)
        self._popen.returncode = os.waitstatus_to_exitcode(status)
        os.close(self.pidfd)
        return status


def spawn(
    command: Sequence[str],
    *,
    cwd: str,
    environment: Mapping[str, str],
    stdout: int | None,
    stderr: int | None,
) -> Process:
    """Start a process with an empty stdin; an output is a descriptor, or None for a pipe.

    Raises:
        StartError: nothing runs; the text names the command or the directory at fault.
    """
    try:
        popen = subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if stdout is None else stdout,
            stderr=subprocess.PIPE if stderr is None else stderr,
            cwd=cwd,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise StartError(_explain(error, command[0], cwd)) from error
    except (ValueError, subprocess.SubprocessError) as error:
        # A NUL in an argument, a "=" in a variable's name, text that is not UTF-8.
        raise StartError(f"cannot run {command[0]!r}: {error}") from error
    try:
        return Process(popen)
    except OSError as error:
        with popen:  # closes its pipes and waits for it
            popen.kill()
        raise StartError(f"cannot watch {command[0]}: {error.strerror}") from error


def _explain(error: OSError, command: str, cwd: str) -> str:
    """Say what is wrong with a command or its directory in words that help."""
    if error.filename == cwd:
        if error.errno == errno.ENOENT:
            return f"cwd does not exist: {cwd}"
        return f"cannot enter cwd: {cwd}: {error.strerror}"
    if error.errno == errno.ENOENT and "/" in command and Path(cwd, command).exists():
        return f"interpreter not found: {command} names one in its first line"
    if error.errno in _FAULTS:
        return f"{_FAULTS[error.errno]}: {command}"
    return f"cannot run {command}: {error.strerror}"
