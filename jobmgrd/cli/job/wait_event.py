"""jobmgr job wait-event: wait until something happens to a job."""

import asyncio
import json
from contextlib import aclosing
from typing import Any

import click

from jobmgrd.cli.connection import connect_async
from jobmgrd.cli.failure import CommandError, about
from jobmgrd.cli.job.eventlog_view import PATHS, EventView, event_options
from jobmgrd.cli.job.outcome import WATCH, entries
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.words.fsd import FSD
from jobmgrd.cli.words.ids import JOBID, spelled
from jobmgrd.cli.words.word import Word
from protocol.errors import FormatError
from protocol.eventlog import Entry


class MatchType(Word[tuple[str, str]]):
    """A key of an event's context, and its value: text as it is, anything else as JSON."""

    name = "KEY=VAL"

    def read(self, text: str) -> tuple[str, str]:
        """The key and the value."""
        key, assigned, value = text.partition("=")
        if not (key and assigned):
            raise FormatError(f"expected KEY=VAL, got {text!r}")
        return key, value


@click.command(
    epilog=examples(
        "jobmgr job wait-event ƒ5zHnEx start",
        "jobmgr job wait-event -t 10s ƒ5zHnEx clean || echo still there",
        "jobmgr job wait-event -m type=cancel ƒ5zHnEx exception",
        "jobmgr job wait-event -v -f json ƒ5zHnEx finish",
    )
)
@event_options
@click.option("-t", "--timeout", type=FSD, help="Fail after this time: 500ms, 30s, 5m.")
@click.option(
    "-m", "--match-context", "match", type=MatchType(), help="Only an event with this counts."
)
@click.option(
    "-c",
    "--count",
    type=click.IntRange(min=1),
    metavar="N",
    default=1,
    help="Wait for the Nth  [default: 1]",
)
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
@click.option("-v", "--verbose", is_flag=True, help="Print the events before it, too.")
@click.argument("id_", type=JOBID, metavar="JOBID")
@click.argument("name")
def wait_event(
    id_: int,
    name: str,
    path: str,
    timeout: float | None,
    match: tuple[str, str] | None,
    count: int,
    *,
    quiet: bool,
    verbose: bool,
    **view: Any,  # noqa: ANN401 - EventView's
) -> None:
    """Wait until the event NAME is in a job's eventlog, and print it.

    It is an error if the job ends without it.
    """
    write = EventView(**view).writer()
    left = count

    def take(entry: Entry) -> bool:
        """Print an entry, if it is to be printed; whether it is the one."""
        nonlocal left
        line = write(entry)
        found = entry.name == name and (match is None or _matches(entry, *match))
        left -= found
        if not quiet and (verbose or (found and not left)):
            click.echo(line)
        return found and not left

    async def wait() -> bool:
        async with connect_async() as client:
            request = {"id": id_, "path": PATHS[path]}
            async with asyncio.timeout(timeout), aclosing(client.stream(WATCH, request)) as replies:
                async for reply in replies:
                    if any(take(entry) for entry in entries(reply)):
                        return True
        return False

    with about(f"job {spelled(id_)}"):
        try:
            came = asyncio.run(wait())
        except TimeoutError as error:
            raise CommandError(f"wait-event timeout on event '{name}'") from error
    if not came:
        raise CommandError(f"event '{name}' never received")


def _matches(entry: Entry, key: str, text: str) -> bool:
    context = entry.context or {}
    return key in context and text in (context[key], json.dumps(context[key]))
