"""Where commands find the archive, and a job in it; they say on stderr that it is from there."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from jobmgrd.archive.port import ArchiveError
from jobmgrd.archive.reader import ArchiveReader, Filter
from jobmgrd.archive.record import ArchivedJob, inactive
from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import CommandError
from jobmgrd.cli.listing.view import View, show
from jobmgrd.cli.words.ids import spelled
from jobmgrd.jobs.attributes import ATTRIBUTES, attributes
from jobmgrd.store import rows

VARIABLE: Final = "JOBMGRD_ARCHIVE"
DEFAULT_NAME: Final = "archive.sqlite"

KEYS: Final = {
    "jobspec": "jobspec",
    "R": "R",
    "eventlog": "eventlog",
    "guest.output": "output",
    "guest.input": "input",
}
"""What is kept of a job, and the archive's words for it."""


@contextmanager
def reader(given: Path | None = None) -> Iterator[ArchiveReader]:
    """The archive at this path, at $JOBMGRD_ARCHIVE, where the daemon keeps it, or by default.

    Raises:
        CommandError: it cannot be read, here or later in the block.
    """
    try:
        with ArchiveReader(given or _path()) as opened:
            click.echo(f"from archive {opened.path}", err=True)
            yield opened
    except ArchiveError as error:
        raise CommandError(str(error)) from error


def find(id_: int, given: Path | None = None) -> ArchivedJob:
    """A job from the archive.

    Raises:
        CommandError: it is not there, or the archive cannot be read.
    """
    with reader(given) as archive:
        job = archive.find(id_)
        if job is None:
            raise CommandError(f"job {spelled(id_)} is not in archive {archive.path}")
        return job


def show_newest(ids: Sequence[int], count: int, how: View) -> None:
    """Print these jobs, or so many of the last ones, as `show_jobs` does; 0 is all."""
    with reader() as archive:
        show_jobs(archive.newest(Filter(ids=ids or None), count or None), how)


def show_jobs(jobs: Iterable[ArchivedJob], how: View) -> None:
    """Print jobs as `jobmgr jobs` printed them before they were purged."""
    names = ATTRIBUTES if how.as_json else how.attrs
    show([attributes(rows.replay(inactive(job)), names) for job in jobs], how)


def _path() -> Path:
    if path := os.environ.get(VARIABLE):
        return Path(path)
    try:
        with connect() as client:
            kept = client.rpc("job-manager.stats-get").get("archive") or {}
    except ConnectionError:  # an archive outlives its daemon
        kept = {}
    if path := kept.get("path"):
        return Path(path)
    from jobmgrd.config import default_statedir  # noqa: PLC0415 - reading TOML imports a lot

    return default_statedir(os.getuid(), os.environ) / DEFAULT_NAME
