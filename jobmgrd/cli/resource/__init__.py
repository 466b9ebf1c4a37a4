"""jobmgr resource: the nodes, what of them is free, and which get no new jobs."""

from typing import Final

import click

from jobmgrd.cli.lazy import Entry, LazyGroup

COMMANDS: Final = {
    "list": Entry("resource.list.list_", "List what is free, held by jobs, and not usable."),
    "status": Entry("resource.status.status", "List the nodes by what new jobs may do with them."),
    "drain": Entry("resource.drain.drain", "Give new jobs nothing of some nodes."),
    "undrain": Entry("resource.drain.undrain", "Give drained nodes back to new jobs."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def resource() -> None:
    """List nodes, drain them, give them back."""
