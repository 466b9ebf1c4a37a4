"""jobmgr queue status, enable, disable, start, stop: what queues do with jobs."""

import json
from typing import Any

import click

from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import about
from jobmgrd.cli.lazy import examples
from jobmgrd.client import BlockingClient
from protocol.job_manager import QueueStatus

_DISABLED = "disabled by administrator"
_QUEUE = click.argument("queue", required=False, metavar="[QUEUE]")
_ALL = click.option("-a", "--all", "every", is_flag=True, help="All queues, if they have names.")
_QUIET = click.option("--quiet", is_flag=True, help="Print nothing if it is done.")


@click.command(epilog=examples("jobmgr queue status", "jobmgr queue status batch --json"))
@click.option("--json", "as_json", is_flag=True, help="Print an object of each queue's status.")
@_QUEUE
def status(queue: str | None, *, as_json: bool) -> None:
    """Say whether queues take jobs and start them, and why not."""
    with connect() as client, about("queue status"):
        if as_json:
            found = {name: client.rpc(_STATUS, _named(name)) for name in _names(client, queue)}
            click.echo(json.dumps(found))
            return
        _show(client, queue, submission=True, scheduling=True)


@click.command(epilog=examples("jobmgr queue enable batch", "jobmgr queue enable --all"))
@_ALL
@_QUIET
@_QUEUE
def enable(queue: str | None, *, every: bool, quiet: bool) -> None:
    """Let jobs be submitted to a queue."""
    with connect() as client, about("queue enable"):
        client.rpc("job-manager.queue-enable", {"enable": True, "all": every, **_named(queue)})
        if not quiet:
            _show(client, queue, submission=True)


@click.command(
    epilog=examples("jobmgr queue disable batch -m 'moved to the new machine'"),
)
@_ALL
@_QUIET
@click.option("-m", "--message", default=_DISABLED, help=f"Why  [default: {_DISABLED}]")
@_QUEUE
def disable(queue: str | None, message: str, *, every: bool, quiet: bool) -> None:
    """Let no more jobs be submitted to a queue; those that are in go on."""
    request = {"enable": False, "all": every, "reason": message, **_named(queue)}
    with connect() as client, about("queue disable"):
        client.rpc("job-manager.queue-enable", request)
        if not quiet:
            _show(client, queue, submission=True)


@click.command(epilog=examples("jobmgr queue start batch", "jobmgr queue start --all"))
@_ALL
@_QUIET
@_QUEUE
def start(queue: str | None, *, every: bool, quiet: bool) -> None:
    """Let pending jobs of a queue start."""
    with connect() as client, about("queue start"):
        client.rpc("job-manager.queue-start", {"start": True, "all": every, **_named(queue)})
        if not quiet:
            _show(client, queue, scheduling=True)


@click.command(
    epilog=examples(
        "jobmgr queue stop batch -m 'maintenance until noon'",
        "jobmgr queue stop --all --nocheckpoint     until the next restart",
    )
)
@_ALL
@_QUIET
@click.option("--nocheckpoint", is_flag=True, help="Forget it at the next restart.")
@click.option("-m", "--message", help="Why.")
@_QUEUE
def stop(
    queue: str | None, message: str | None, *, every: bool, quiet: bool, nocheckpoint: bool
) -> None:
    """Let pending jobs of a queue wait; those that run go on, and others can be submitted."""
    request: dict[str, Any] = {"start": False, "all": every, "nocheckpoint": nocheckpoint}
    if message is not None:
        request["reason"] = message
    with connect() as client, about("queue stop"):
        client.rpc("job-manager.queue-start", request | _named(queue))
        if not quiet:
            _show(client, queue, scheduling=True)


_STATUS = "job-manager.queue-status"


def _named(queue: str | None) -> dict[str, str]:
    return {"name": queue} if queue else {}


def _names(client: BlockingClient, queue: str | None) -> list[str]:
    """The queue that was asked for, or all of them; "" is the one without a name."""
    return [queue] if queue else client.rpc("job-manager.queue-list")["queues"] or [""]


def _show(
    client: BlockingClient,
    queue: str | None,
    *,
    submission: bool = False,
    scheduling: bool = False,
) -> None:
    for name in _names(client, queue):
        found = client.rpc(_STATUS, _named(name), reply=QueueStatus)
        before = f"{name}: " if name else ""
        if submission:
            reason = "enabled" if found.enable else f"disabled: {found.disable_reason}"
            click.echo(f"{before}Job submission is {reason}")
        if scheduling:
            why = f": {found.stop_reason}" if found.stop_reason else ""
            click.echo(f"{before}Scheduling is {'started' if found.start else f'stopped{why}'}")
