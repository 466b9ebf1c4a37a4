"""jobmgr job last: the ids of the jobs that were submitted last."""

import os
import re
import time
from typing import Final

import click

from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import CommandError, about
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.listing.pages import listed
from jobmgrd.cli.words.ids import spelled
from jobmgrd.cli.words.word import Word
from jobmgrd.client import BlockingClient
from protocol.errors import FormatError

_SLICE: Final = re.compile(r"\[(-?\d{1,9})?:(-?\d{1,9})?(?::(-?[1-9]\d{0,8})?)?\]", re.ASCII)
_WINDOWS: Final = (600.0, 86400.0)
"""Seconds to look back before all jobs are asked for."""


class SliceType(Word[slice]):
    """A number, or a slice as Python has it, in brackets."""

    name = "N|SLICE"

    def read(self, text: str) -> slice:
        """The slice of the history, the last job being the first of it."""
        if text.isascii() and text.isdecimal():
            return slice(int(text[:9]))
        found = _SLICE.fullmatch(text)
        if found is None:
            raise FormatError(f"{text!r} is neither a number nor a slice such as [0:4]")
        return slice(*(int(part) if part else None for part in found.groups()))


@click.command(
    epilog=examples(
        "jobmgr job last                 the last job",
        "jobmgr job last 4               the last four, the last first",
        "jobmgr job last '[::-1]'        all, the first first",
        "jobmgr job eventlog $(jobmgr job last)",
    )
)
@click.argument("which", type=SliceType(), default="1", metavar="[N|SLICE]")
def last(which: slice) -> None:
    """Print the ids of your jobs that were submitted last, of those that are kept."""
    wanted = which.stop if which.start is None and which.step is None else None
    with connect() as client, about("job last"):
        ids = _history(client, wanted if wanted is not None and wanted >= 0 else None)
    if not ids:
        raise CommandError("job history is empty")
    for id_ in ids[which]:
        click.echo(spelled(id_))


def _history(client: BlockingClient, wanted: int | None) -> list[int]:
    """Ids, the last first; at least as many as wanted, if there are (None: all)."""
    for window in _WINDOWS if wanted is not None else ():
        found = _since(client, time.time() - window)
        if wanted is not None and len(found) >= max(wanted, 1):
            return found
    return _since(client, 0.0)


def _since(client: BlockingClient, t: float) -> list[int]:
    """Ids of the caller's jobs submitted since a time; ids grow with time (RFC 19)."""
    mine = {"and": [{"userid": [os.getuid()]}, {"t_submit": [f">={t!r}"]}]}
    return sorted((job["id"] for job in listed(client, mine)), reverse=True)
