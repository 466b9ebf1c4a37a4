"""Which archived jobs a command is about: options that become a filter."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from jobmgrd.archive.reader import Filter
from jobmgrd.cli.words.ids import JOBID
from jobmgrd.cli.words.users import USER
from jobmgrd.cli.words.when import PAST
from protocol.job import Result

C = TypeVar("C", bound=Callable[..., Any])

NAMES: Final = {result.name.lower(): result.value for result in Result}


_OPTIONS: Final = (
    click.option("--since", type=PAST, help="Jobs that ended then or later."),
    click.option("--before", type=PAST, help="Jobs that ended before."),
    click.option("-u", "--user", "userid", type=USER, help="Jobs of this user."),
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
