"""The options that make many jobs of one command line, and those jobs."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any, Final, NamedTuple, TypeVar

import click

from jobmgrd.cli.submission.request import JobOptions, requester
from jobmgrd.cli.words.word import Word
from protocol import idset
from protocol.job_manager import SubmitRequest

F = TypeVar("F", bound=Callable[..., Any])


class IdsetType(Word[tuple[int, ...]]):
    """A set of numbers: "1-10,20" (RFC 22)."""

    name = "IDSET"

    def read(self, text: str) -> tuple[int, ...]:
        """The numbers, ascending."""
        return tuple(idset.parse(text))


_OPTIONS: Final = (
    click.option(
        "--cc",
        type=IdsetType(),
        help="Submit one job for each id; {cc} in the command, --input, --output, --error, "
        "--job-name and --log is replaced by the id, and FLUX_JOB_CC is set to it.",
    ),
    click.option("--bcc", type=IdsetType(), help="As --cc, without FLUX_JOB_CC."),
    click.option(
        "--wait", is_flag=True, help="Wait for all jobs; exit with the largest exit code."
    ),
    click.option("--wait-event", metavar="NAME", help="Wait until all jobs have had this event."),
    click.option("--watch", is_flag=True, help="Wait for all jobs, and show their output."),
    click.option("--progress", "bar", is_flag=True, help="Show a bar on a terminal."),
    click.option("--jps", is_flag=True, help="With --progress, show how many jobs a second."),
    click.option("--log", metavar="FILE", help="Write ids, output and errors to this file."),
    click.option("--log-stderr", metavar="FILE", help="Write errors and stderr to this file."),
    click.option("--quiet", is_flag=True, help="Print no ids."),
)


def bulk_options(function: F) -> F:
    """Give a command these options; it gets them as keywords, for `submits` and `Bulk.of`."""
    return reduce(lambda decorated, option: option(decorated), reversed(_OPTIONS), function)


class Submit(NamedTuple):
    """A job to be submitted, and where what there is to say of it goes."""

    cc: int | None
    request: Callable[[int | None], SubmitRequest]
    log: str | None
    log_stderr: str | None


def submits(command: Sequence[str], options: Mapping[str, Any]) -> Iterator[Submit]:
    """The jobs of one command line: as many as --cc or --bcc has ids.

    Raises:
        CommandError, UsageError: the options make no job.
    """
    if options["cc"] is not None and options["bcc"] is not None:
        raise click.UsageError("Give one of --cc and --bcc.")
    given = JobOptions.of(options)
    given = given._replace(input=given.input or os.devnull)
    request = requester(given, command, told=options["bcc"] is None)
    for cc in options["cc"] or options["bcc"] or (None,):
        yield Submit(cc, request, options["log"], options["log_stderr"])
