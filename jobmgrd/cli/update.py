"""jobmgr update: change the jobspec of a job that has not ended (flux-update(1))."""

import json
import math
from typing import Any, Final

import click

from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import CommandError, about
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.words.ids import JOBID, spelled
from jobmgrd.cli.words.json_value import AssignmentType
from jobmgrd.client import BlockingClient
from protocol import duration
from protocol.errors import FormatError
from protocol.job_list import IdReply, IdRequest

_ROOTS: Final = ("attributes.", "resources.", "tasks.")
_DURATION: Final = "attributes.system.duration"
_ALIASES: Final = {"name": "attributes.system.job.name"}


@click.command(
    epilog=examples(
        "jobmgr update ƒ5zHnEx duration=2h            give it two hours",
        "jobmgr update ƒ5zHnEx duration=+30m          half an hour more than it has",
        "jobmgr update ƒ5zHnEx queue=batch name=night",
        "jobmgr update -n ƒ5zHnEx duration=0          show what would be asked",
    )
)
@click.option(
    "-n", "--dry-run", is_flag=True, help="Print the updates as JSON, and change nothing."
)
@click.option("-v", "--verbose", is_flag=True, help="Print what was updated.")
@click.argument("id_", type=JOBID, metavar="JOBID")
@click.argument("assignments", nargs=-1, required=True, type=AssignmentType(), metavar="KEY=VAL...")
def update(
    id_: int, assignments: tuple[tuple[str, Any], ...], *, dry_run: bool, verbose: bool
) -> None:
    """Change duration, queue, name, bank, project or constraints of an active job.

    KEY is one of these, or a path in the jobspec such as attributes.system.bank. A duration is in
    Flux's form (30s, 2h, infinity); +TIME and -TIME change the one that the job has. The duration
    of a running job is changed by the owner of the daemon only, and counts from its start.
    """
    with connect() as client, about(f"update {spelled(id_)}"):
        updates = {}
        for key, value in assignments:
            path = _path(key)
            updates[path] = _seconds(client, id_, value) if path == _DURATION else value
        if dry_run:
            click.echo(json.dumps(updates))
            return
        client.rpc("job-manager.update", {"id": id_, "updates": updates})
    if verbose:
        for path, value in updates.items():
            click.echo(f"updated {path} to {value}")


def _path(key: str) -> str:
    if key in _ALIASES:
        return _ALIASES[key]
    return key if key.startswith(_ROOTS) else f"attributes.system.{key}"


def _seconds(client: BlockingClient, id_: int, value: object) -> float:
    """A new duration; 0.0 is unlimited."""
    text = str(value)
    try:
        seconds = duration.parse(text.lstrip("+-") if text[:1] in ("+", "-") else text)
    except FormatError as error:
        raise CommandError(str(error)) from error
    if text[:1] in ("+", "-"):
        seconds = _changed(client, id_, -seconds if text.startswith("-") else seconds)
    return 0.0 if math.isinf(seconds) else seconds


def _changed(client: BlockingClient, id_: int, by: float) -> float:
    request = IdRequest(id_, ("duration",))
    now: float = client.rpc("job-list.list-id", request, reply=IdReply).job["duration"]
    name = spelled(id_)
    if not now:
        raise CommandError(f"duration for {name} is unlimited, can't update by {by:+g}s")
    if now + by <= 0:
        raise CommandError(
            f"current duration for {name} ({duration.format(now)}) cannot be reduced by"
            f" {duration.format(-by)}"
        )
    return now + by
