"""Which archived jobs a command is about: options that become a filter."""

import pwd
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeVar

import click

from jobmgrd.archive.reader import Filter
from jobmgrd.cli.ids import JOBID
from protocol import duration
from protocol.errors import FormatError
from protocol.job import Result

C = TypeVar("C", bound=Callable[..., Any])

NAMES: Final = {result.name.lower(): result.value for result in Result}


class WhenType(click.ParamType[float]):
    """A point in time: 2026-11-22, 2026-11-22T18:00 (local unless it says), or 7d, so long ago."""

    name = "TIME"

    def convert(
        self, value: float | str, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """UNIX time."""
        if not isinstance(value, str):
            return value
        try:
            return time.time() - duration.parse(value)
        except FormatError:
            pass
        try:
            return datetime.fromisoformat(value).timestamp()  # without a zone: local time
        except ValueError:
            self.fail(f"{value!r} is neither a time nor a duration", param, ctx)


class UserType(click.ParamType[int]):
    """A user, by name or number."""

    name = "USER"

    def convert(
        self, value: int | str, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """The user id."""
        if isinstance(value, int) or value.isdecimal():
            return int(value)
        try:
            return pwd.getpwnam(value).pw_uid
        except KeyError:
            self.fail(f"there is no user {value!r}", param, ctx)


_OPTIONS: Final = (
    click.option("--since", type=WhenType(), help="Jobs that ended then or later."),
    click.option("--before", type=WhenType(), help="Jobs that ended before."),
    click.option("-u", "--user", "userid", type=UserType(), help="Jobs of this user."),
    click.option("-q", "--queue", metavar="NAME", help="Jobs of this queue."),
    click.option("--name", metavar="NAME", help="Jobs of this name."),
    click.option("--result", type=click.Choice(list(NAMES)), help="Jobs that ended so."),
    click.argument("ids", nargs=-1, type=JOBID, metavar="[JOBID]..."),
)


def filters(command: C) -> C:
    """Add the options; the command takes them as keywords, for `chosen`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def chosen(*, ids: tuple[int, ...], result: str | None, **conditions: Any) -> Filter:  # noqa: ANN401 - Filter's fields
    """The filter that the options say."""
    return Filter(ids=ids or None, result=NAMES[result] if result else None, **conditions)
