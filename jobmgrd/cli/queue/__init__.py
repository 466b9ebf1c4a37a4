"""jobmgr queue: the queues, what each takes, and switches for submission and scheduling."""

from typing import Final

import click

from jobmgrd.cli.lazy import Entry, LazyGroup

COMMANDS: Final = {
    "list": Entry("queue.list.list_", "List queues with their defaults, limits and nodes."),
    "status": Entry("queue.switch.status", "Say whether queues take jobs and start them."),
    "enable": Entry("queue.switch.enable", "Let jobs be submitted."),
    "disable": Entry("queue.switch.disable", "Let no more jobs be submitted, and say why."),
    "start": Entry("queue.switch.start", "Let pending jobs start."),
    "stop": Entry("queue.switch.stop", "Let pending jobs wait; what runs goes on."),
    "drain": Entry("queue.wait.drain", "Wait until no job is active."),
    "idle": Entry("queue.wait.idle", "Wait until no job runs, or could start."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def queue() -> None:
    """List queues, stop and start them, wait until they are empty."""
