"""jobmgr resource status: the nodes by what new jobs may do with them, and why."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import click

from jobmgrd.cli import text_table
from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import about
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.resource.nodes_held import Held, held
from jobmgrd.cli.words.when import iso
from protocol import hostlist, idset
from protocol.resource import SchedStatusReply, StatusReply

_HEADINGS: Final = ("STATE", "NNODES", "RANKS", "SINCE", "NODELIST", "REASON")


@click.command(
    epilog=examples(
        "jobmgr resource status",
        "jobmgr resource status --json | jq .drain",
    )
)
@click.option("--json", "as_json", is_flag=True, help="Print the daemon's answer as JSON.")
def status(*, as_json: bool) -> None:
    """List the nodes by what new jobs may do with them.

    A drained node gets no new jobs; while some still run there, it is draining. The configuration
    excludes others ([resource] exclude).
    """
    if as_json:
        with connect() as client, about("resource status"):
            click.echo(json.dumps(client.rpc("resource.status")))
        return
    show()


def show(*, drained: bool = False) -> None:
    """Print the table, or only what of it is drained."""
    with connect() as client, about("resource status"):
        found = client.rpc("resource.status", reply=StatusReply)
        busy = held(client.rpc("resource.sched-status", reply=SchedStatusReply).allocated)
    for line in text_table.lines(_HEADINGS, _rows(found, busy, drained)):
        click.echo(line)


def _rows(found: StatusReply, busy: Held, drained_only: bool) -> Iterator[tuple[object, ...]]:
    hosts = held(found.R).hosts
    excluded = idset.parse(found.exclude)
    unusable = {rank for ranks in found.drain for rank in idset.parse(ranks)}.union(excluded)
    if not drained_only:
        yield _row("avail", [rank for rank in hosts if rank not in unusable], hosts)
    if excluded and not drained_only:
        yield _row("exclude", excluded, hosts)
    for ranks, info in found.drain.items():
        for state, group in _split(idset.parse(ranks), busy):
            yield _row(state, group, hosts, info.timestamp, info.reason)


def _split(ranks: tuple[int, ...], busy: Held) -> Iterator[tuple[str, list[int]]]:
    for state, with_jobs in (("draining", True), ("drained", False)):
        if group := [rank for rank in ranks if (rank in busy.parts) is with_jobs]:
            yield state, group


def _row(
    state: str, ranks: Sequence[int], hosts: Mapping[int, str], since: float = 0.0, reason: str = ""
) -> tuple[object, ...]:
    names = hostlist.format(hosts[rank] for rank in ranks)
    return state, len(ranks), idset.format(ranks), iso(since), names, reason
