"""jobmgr housekeeping: what the site has run after jobs, while their resources are not free yet."""

from typing import Final

import click

from jobmgrd.cli.lazy import Entry, LazyGroup

COMMANDS: Final = {
    "list": Entry("housekeeping.running.list_", "List the jobs that it runs for."),
    "kill": Entry("housekeeping.running.kill", "End what takes too long."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def housekeeping() -> None:
    """List the commands that run after jobs ([job-manager.housekeeping]), and end them."""
