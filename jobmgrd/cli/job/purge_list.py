"""Jobs that are purged, or would be: a line each, with the reason why it goes."""

import time
from collections.abc import Iterator, Sequence
from typing import Final

from jobmgrd.cli.listing import formats
from jobmgrd.cli.listing.fields import Attributes

_FORMAT: Final = formats.parse(
    "{id.f58:>12} {username:<8.8+} {name:<10.10+} {queue:<8.8h+} {status_abbrev:>2}"
    " {t_inactive!D:<19}"
)
"""Without marks: batches come one by one, under one heading."""

ATTRS: Final = tuple(sorted(_FORMAT.attrs))
"""What to ask for with job-manager.purge."""


def heading() -> str:
    """The line above."""
    return f"{_FORMAT.heading():<64} REASON"


def lines(jobs: Sequence[Attributes]) -> Iterator[str]:
    """A line for each job of a reply to job-manager.purge."""
    for job, line in zip(jobs, _FORMAT.lines(jobs, time.time()), strict=True):
        yield f"{line:<64} {job['reason']}"
