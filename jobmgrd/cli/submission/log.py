"""Where a submit writes what it has to say of each job: the terminal, or the files of --log."""

import sys
from collections.abc import Iterable

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


class Log:
    """The sinks of each job, whose files are there before any job is submitted.

    Args:
        out: the file of --log, which {cc} may be in; it gets both, but for
        err: the file of --log-stderr.
        ccs: the ids of --cc.

    Raises:
        CommandError: a file cannot be written.
    """

    def __init__(self, out: str | None, err: str | None, ccs: Iterable[int | None]) -> None:
        self._out = out
        self._err = err
        self._files: dict[str, LogFile] = {}
        for cc in ccs:
            self.of(cc)

    def of(self, cc: int | None) -> Sinks:
        """The sinks of one job."""
        out = sys.stdout.buffer if self._out is None else self._file(fill(self._out, cc))
        if self._err is not None:
            return Sinks(out, self._file(fill(self._err, cc)))
        return Sinks(out, sys.stderr.buffer if self._out is None else out)

    def _file(self, name: str) -> LogFile:
        if name not in self._files:
            self._files[name] = LogFile(name)
        return self._files[name]
