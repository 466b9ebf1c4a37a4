"""jobmgr resource list: what is free, what jobs hold, and what no new job can use."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import click

from jobmgrd.cli import text_table
from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import about
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.resource.nodes_held import Held, held
from protocol.resource import SchedStatusReply

States = Mapping[str, Held]

_STATES: Final[Mapping[str, Callable[[Held, Held, Held], Held]]] = {
    "free": lambda all_, down, allocated: all_.without(down).without(allocated),
    "allocated": lambda _all, _down, allocated: allocated,
    "down": lambda _all, down, _allocated: down,
    "up": lambda all_, down, _allocated: all_.without(down),
    "all": lambda all_, _down, _allocated: all_,
}
_DEFAULT: Final = "free,allocated,down"
_HEADINGS: Final = ("STATE", "PROPERTIES", "NNODES", "NCORES", "NGPUS", "NODELIST")


@click.command(
    "list",
    epilog=examples(
        "jobmgr resource list",
        "jobmgr resource list --states=all,up",
        "jobmgr resource list --json | jq .allocated.execution.R_lite",
    ),
)
@click.option(
    "-s",
    "--states",
    default=_DEFAULT,
    metavar="STATE,...",
    help=f"Some of {', '.join(_STATES)}  [default: {_DEFAULT}]",
)
@click.option("--json", "as_json", is_flag=True, help="Print all, down and allocated as RFC 20 R.")
def list_(states: str, *, as_json: bool) -> None:
    """List what is free, held by jobs, and not usable, nodes with the same properties in a line."""
    wanted = states.split(",")
    for state in wanted:
        if state not in _STATES:
            raise click.BadParameter(
                f"{state!r} is none of {', '.join(_STATES)}", param_hint="'--states'"
            )
    with connect() as client, about("resource list"):
        if as_json:
            click.echo(json.dumps(client.rpc("resource.sched-status")))
            return
        reply = client.rpc("resource.sched-status", reply=SchedStatusReply)
    sets = held(reply.all), held(reply.down), held(reply.allocated)
    rows = [row for state in wanted for row in _rows(state, _STATES[state](*sets))]
    for line in text_table.lines(_HEADINGS, rows):
        click.echo(line)


def _rows(state: str, found: Held) -> Iterator[tuple[object, ...]]:
    groups: dict[frozenset[str], list[int]] = {}
    for rank in sorted(found.parts):
        groups.setdefault(found.properties[rank], []).append(rank)
    for properties, ranks in (groups or {frozenset(): []}).items():
        part = found.only(ranks)
        names = ",".join(sorted(properties))
        counts = len(part.parts), part.count("core"), part.count("gpu")
        yield (state, names, *counts, part.nodelist)
