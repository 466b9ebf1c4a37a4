"""Where a daemon finds its supervisor, and how it starts one when there is none."""

import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

LINGER: Final = 60.0
"""Seconds that a supervisor without a daemon waits before it ends, if it is idle."""

_MODE: Final = 0o600
_APPEND: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND
_PYTHONPATH: Final = (str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH"))


class Launcher:
    """Reaches the supervisor at a socket.

    The caller is the only one to do so for this path: the daemon that has locked its directory.

    Args:
        path: of the socket, in the run directory.
        log: what a supervisor that is started writes on stderr is appended to this file.
        linger: seconds that it waits for the next daemon.
    """

    def __init__(self, path: Path, log: Path, linger: float = LINGER) -> None:
        self._path = path
        self._log = log
        self._linger = linger
        self._child: int | None = None

    def reach(self) -> socket.socket:
        """Connect to the supervisor, after starting one if nobody listens.

        Raises:
            OSError: no connection, or none could be started.
        """
        try:
            return self._connect()
        except (FileNotFoundError, ConnectionRefusedError):
            self._reap()
            return self._launch()

    def _connect(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(str(self._path))
        except OSError:
            sock.close()
            raise
        return sock

    def _launch(self) -> socket.socket:
        """Start a supervisor in its own session, and connect without waiting for it."""
        self._path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(self._path))
            self._path.chmod(_MODE)
            listener.listen()
            # Not Popen, which wants its child to end before itself.
            self._child = os.posix_spawn(
                sys.executable,
                # -P: the daemon's working directory is no place to import from.
                [
                    *(sys.executable, "-P", "-m", "jobmgrd.exec.supervisor"),
                    *(str(self._path.parent), str(self._linger)),
                ],
                os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, _PYTHONPATH))},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, listener.fileno(), 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, str(self._log), _APPEND, _MODE),
                ],
                setsid=True,
            )
            return self._connect()

    def _reap(self) -> None:
        """Forget the supervisor before, a zombie until now; it may be another's child."""
        if self._child is not None:
            with suppress(ChildProcessError):
                os.waitpid(self._child, os.WNOHANG)
            self._child = None
