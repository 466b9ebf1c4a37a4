"""The options --dependency and --begin-time, and how a dependency is shown."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import click

from jobmgrd.cli.words.when import FUTURE
from jobmgrd.cli.words.word import Word
from protocol import dependency


class DependencyType(Word[str]):
    """A dependency that reads well; it stays text, since {cc} may be in it."""

    name = "URI"

    def read(self, text: str) -> str:
        """The same text."""
        dependency.from_uri(text)
        return text


DEPENDENCY_OPTIONS: Final = (
    click.option(
        "--dependency",
        "dependencies",
        type=DependencyType(),
        multiple=True,
        help="Wait for something: afterok:JOBID, afterany:JOBID, afternotok:JOBID,"
        " afterexcept:JOBID, afterstart:JOBID, singleton, or a scheme of a plugin. Repeatable.",
    ),
    click.option(
        "--begin-time",
        type=FUTURE,
        metavar="+FSD|DATETIME",
        default=None,
        help="Do not start before this time: +1h, or 2026-11-22T18:00.",
    ),
)


def dependencies(uris: Sequence[str], begin_time: float | None) -> list[dict[str, Any]]:
    """What the options say, as the jobspec has it."""
    found = [dependency.from_uri(uri) for uri in uris]
    if begin_time is not None:
        found.append({"scheme": "begin-time", "value": f"{begin_time:.3f}"})
    return found


def shown(description: str, now: float) -> str:
    """A description; a begin-time as the time of day, with the date unless that is today."""
    name, _, value = description.partition("=")
    if name != "begin-time":
        return description
    try:
        moment = datetime.fromtimestamp(float(value)).astimezone()
        today = datetime.fromtimestamp(now).astimezone().date()
    except (ValueError, OverflowError, OSError):
        return description
    form = "%H:%M" if moment.date() == today else "%b%d-%H:%M"
    return f"begin@{moment:{form}}" + (f":{moment:%S}" if moment.second else "")
