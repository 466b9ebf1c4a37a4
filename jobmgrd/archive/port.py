"""The port to the archive: what purging asks of whatever keeps jobs for good.

A batch is purged only after `put` has returned, so a crash between the two archives the batch a
second time, which changes nothing.
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from jobmgrd.archive.record import ArchivedJob


class ArchiveError(Exception):
    """The archive could not do it; `errnum` is a POSIX errno, the text names the file."""

    def __init__(self, errnum: int, text: str) -> None:
        super().__init__(errnum, text)
        self.errnum = errnum
        self.text = text

    def __str__(self) -> str:
        return self.text


class ArchiveStats(Struct, frozen=True):
    """Counters of this run, as of the last `put`; they cost nothing to read."""

    path: str
    archived: int = 0  # jobs that were not in the archive before
    size: int = 0  # bytes on disk
    failures: int = 0  # calls of `open` and `put` that raised
    last_error: str = ""  # the text of the last failure, "" once the archive works again


class Archive(Protocol):
    """The port. What has failed is tried again by calling it again; no call leaves it broken."""

    async def open(self) -> None:
        """Open or create the archive, so that what is wrong with it is known before it is needed.

        Raises:
            ArchiveError: it cannot be opened or written, is damaged, or is no archive. `put` would
                raise the same, and opens the archive itself once the cause is gone.
        """

    async def put(self, jobs: Sequence[ArchivedJob]) -> None:
        """Keep these jobs; they are durable when it returns. A job that is kept already stays.

        Cancelling the call leaves open whether they are kept, which another `put` settles.

        Raises:
            ArchiveError: ENOSPC, EACCES, EIO or another errno: at least one of them is not kept.
                EEXIST: the archive holds another job with the same id.
        """

    def stats(self) -> ArchiveStats:
        """Counters."""

    async def close(self) -> None:
        """Finish what was asked for, let go of the file. Idempotent."""
