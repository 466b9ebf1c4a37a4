"""jobmgr watch: a live view for the terminal."""

import sys
from typing import Final

import click

from jobmgrd.cli.connection import connect_async
from jobmgrd.cli.failure import CommandError
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.words.fsd import FSD

SHORTEST: Final = 0.1
"""Seconds between two looks; more often is more than a person sees."""


@click.command(
    epilog=examples(
        "jobmgr watch",
        "jobmgr watch -i 5s            ask the daemon every five seconds",
    )
)
@click.option(
    "-i",
    "--interval",
    type=FSD,
    default="1s",
    help="Time between two looks: 500ms, 5s  [default: 1s]",
)
def watch(interval: float) -> None:
    """Watch jobs, queues, throughput, purges and the latest events, until q is pressed.

    p lets the screen stand still, c clears the events. Needs Textual: pip install 'jobmgrd[top]'.
    """
    if interval < SHORTEST:
        raise click.UsageError(f"--interval is at least {SHORTEST:g}s")
    if not sys.stdout.isatty():
        raise CommandError("watch needs a terminal; jobmgr stats and jobmgr jobs --stats do not")
    try:
        from jobmgrd.watch.app import Watch  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise CommandError("watch needs Textual: pip install 'jobmgrd[top]'") from error
    app = Watch(connect_async, interval)
    app.run()
    if app.return_code:
        raise CommandError("watch failed")
