"""jobmgr queue list: the queues with their switches, defaults, limits and nodes."""

from collections.abc import Iterator

import click

from jobmgrd.cli import text_table
from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import about
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.resource.nodes_held import Held, held
from jobmgrd.cli.words.fsd import brief
from jobmgrd.client import BlockingClient
from jobmgrd.config import check
from jobmgrd.jobs.policy import UNLIMITED, Size
from jobmgrd.jobs.queues import ANONYMOUS, Queues
from protocol.job_manager import QueueStatus
from protocol.resource import SchedStatusReply

_HEADINGS = (
    "QUEUE",
    "PARENT",
    "SUBMIT",
    "SCHED",
    "TDEFAULT",
    "TLIMIT",
    "NNODES",
    "NCORES",
    "NGPUS",
    "UP",
    "NODELIST",
)


@click.command("list", epilog=examples("jobmgr queue list", "jobmgr queue list batch debug"))
@click.argument("queues", nargs=-1, metavar="[QUEUE]...")
def list_(queues: tuple[str, ...]) -> None:
    """List queues: the default one has a star, sizes are what a job may ask for.

    TDEFAULT is given to jobs without a time limit, TLIMIT is the longest a job may ask for, UP the
    number of nodes that new jobs can use.
    """
    with connect() as client, about("queue list"):
        rows = list(_rows(client, queues))
    for line in text_table.lines(_HEADINGS, rows):
        click.echo(line)


def _rows(client: BlockingClient, wanted: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    config = check(client.rpc("config.get"), "config.get").config
    known = Queues()
    known.configure(config.policy.policy, config.queues)
    reply = client.rpc("resource.sched-status", reply=SchedStatusReply)
    all_, up = held(reply.all), held(reply.all).without(held(reply.down))
    for name in wanted or known.names or [ANONYMOUS]:
        request = {"name": name} if name else {}
        status = client.rpc("job-manager.queue-status", request, reply=QueueStatus)
        policy, ranks = known.policy(name), _having(all_, known.requires(name))
        nodes = all_.only(ranks)
        size = Size(len(nodes.parts), nodes.count("core"), nodes.count("gpu"))
        yield (
            f"{name}*" if name and name == known.default else name,
            status.parent or "",
            "enabled" if status.enable else "disabled",
            "started" if status.start else "stopped",
            _seconds(policy.default_duration),
            _seconds(policy.duration),
            _range(policy.min.nnodes, policy.max.nnodes, size.nnodes),
            _range(policy.min.ncores, policy.max.ncores, size.ncores),
            _range(policy.min.ngpus, policy.max.ngpus, size.ngpus),
            str(len(up.only(ranks).parts)),
            nodes.nodelist,
        )


def _having(nodes: Held, properties: tuple[str, ...]) -> list[int]:
    wanted = set(properties)
    return [rank for rank in nodes.parts if wanted <= nodes.properties[rank]]


def _seconds(duration: float | None) -> str:
    return brief(duration) if duration else "inf"


def _range(least: int | None, most: int | None, there: int | None) -> str:
    limits = [limit for limit in (most, there) if limit is not None and limit != UNLIMITED]
    low = 0 if least is None or least == UNLIMITED else least
    return f"{low}-{min(limits)}"
