"""The temporary directory of a job, with the files that came with it (RFC 37)."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from jobmgrd.exec.process import StartError
from protocol.jobid import encode
from protocol.jobspec import File

_PARENT: Final = "jobtmp"
_PRIVATE: Final = 0o700
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class Tmpdir:
    """A directory that is there while its job runs."""

    def __init__(self, rundir: str, id_: int) -> None:
        self.path = f"{rundir}/{_PARENT}/{encode(id_, 'f58plain')}"
        self._files: list[str] = []
        self._made = False

    def make(self, files: Mapping[str, File]) -> None:
        """Make the directory and the files in it.

        Raises:
            StartError: the text names what could not be made.
        """
        self._made = True
        try:
            try:
                os.mkdir(self.path, _PRIVATE)  # noqa: PTH102 - many jobs make one
            except FileNotFoundError:
                Path(self.path).mkdir(_PRIVATE, parents=True)
            for name, file in files.items():
                self._write(f"{self.path}/{name}", file)
        except OSError as error:
            raise StartError(f"cannot make {error.filename}: {error.strerror}") from error

    def remove(self) -> None:
        """Remove the directory, if it was made, if need be by another process. Never raises."""
        if not self._made:
            return
        try:
            for path in self._files:
                os.unlink(path)  # noqa: PTH108
            os.rmdir(self.path)  # noqa: PTH106
        except FileNotFoundError:
            return
        except OSError:
            remove_tree(self.path)

    def _write(self, path: str, file: File) -> None:
        with open(os.open(path, _CREATE, 0o600), "wb") as out:  # noqa: PTH123 - a descriptor
            self._files.append(path)
            out.write(file.data)
            os.fchmod(out.fileno(), file.mode)


def remove_all(rundir: str) -> None:
    """Remove what jobs have left behind that nobody knows any more."""
    parent = Path(rundir, _PARENT)
    if parent.is_dir() and any(parent.iterdir()):
        remove_tree(str(parent))


def remove_tree(path: str) -> None:
    """Remove a directory, however large, without holding the event loop."""
    loop = asyncio.get_running_loop()
    try:
        pid = os.posix_spawnp("rm", ["rm", "-rf", "--", path], {"PATH": os.defpath}, setsid=True)
        pidfd = os.pidfd_open(pid)
    except OSError:
        return  # it stays, for the next supervisor to remove

    def reap() -> None:
        loop.remove_reader(pidfd)
        os.close(pidfd)
        os.waitpid(pid, 0)

    loop.add_reader(pidfd, reap)
