"""Where a submit writes what it has to say of each job: the terminal, or the files of --log."""

import sys

from jobmgrd.cli.attached.output import Sinks
from jobmgrd.cli.failure import CommandError
from jobmgrd.cli.submission.request import fill


class LogFile:
    """A file that is written to a piece at a time, so that there may be any number of them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._mode = "wb"
        self.write(b"")

    def write(self, data: bytes) -> int:
        """Write behind what is there; what an earlier command wrote goes first.

        Raises:
            CommandError: it cannot be written.
        """
        try:
            with open(self._name, self._mode) as file:  # noqa: PTH123 - by a mode
                file.write(data)
        except OSError as error:
            raise CommandError(f"cannot write {self._name}: {error.strerror}") from None
        self._mode = "ab"
        return len(data)

    def flush(self) -> None:
        """All is written."""


class Logs:
    """The sinks of all jobs: each file is made once, however many jobs it is for."""

    def __init__(self) -> None:
        self._files: dict[str, LogFile] = {}

    def of(self, out: str | None, err: str | None, cc: int | None) -> Sinks:
        """The sinks of one job.

        Args:
            out: the file of --log, which {cc} may be in; it gets both, but for
            err: the file of --log-stderr.
            cc: the id of --cc.

        Raises:
            CommandError: a file cannot be written.
        """
        to = sys.stdout.buffer if out is None else self._file(fill(out, cc))
        if err is not None:
            return Sinks(to, self._file(fill(err, cc)))
        return Sinks(to, sys.stderr.buffer if out is None else to)

    def _file(self, name: str) -> LogFile:
        if name not in self._files:
            self._files[name] = LogFile(name)
        return self._files[name]
