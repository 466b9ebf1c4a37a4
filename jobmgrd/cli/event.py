"""jobmgr event: follow what the daemon publishes, or publish something."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Callable
from contextlib import aclosing
from itertools import islice
from typing import Any, Final

import click
import msgspec

from jobmgrd.cli.connection import connect, connect_async
from jobmgrd.cli.failure import about
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.words.ids import spelled
from jobmgrd.cli.words.json_value import ObjectType
from jobmgrd.cli.words.when import iso
from jobmgrd.client import follow_purges
from protocol.events import PurgeEvent
from protocol.payload import Format, encode

SHORT: Final = 3
"""Ids of a batch that are named unless all are asked for."""


@click.group()
def event() -> None:
    """Follow events as they are published, or publish one."""


@event.command(
    short_help="Print events as they come.",
    epilog=examples(
        "jobmgr event sub                              all events",
        "jobmgr event sub job-purge-inactive           purged jobs",
        "jobmgr event sub -c1 heartbeat.pulse          wait for a heartbeat",
    ),
)
@click.option(
    "-c", "--count", type=click.IntRange(min=1), metavar="N", help="Exit after this many events."
)
@click.argument("topics", nargs=-1, metavar="[TOPIC]...")
def sub(topics: tuple[str, ...], count: int | None) -> None:
    """Print events whose topic begins with one of TOPIC, each as its topic and its JSON payload."""
    with connect() as client, client.subscribe(*topics) as events:
        for item in islice(events, count):
            click.echo(f"{item.topic} {json.dumps(item.payload)}")


@event.command(
    short_help="Publish an event.",
    epilog=examples(
        "jobmgr event pub backup.begin",
        """jobmgr event pub backup.end '{"files": 17}'""",
    ),
)
@click.argument("topic")
@click.argument("payload", required=False, type=ObjectType(), metavar="[JSON]")
def pub(topic: str, payload: dict[str, Any] | None) -> None:
    """Publish an event with an optional payload, a JSON object."""
    request = {"topic": topic}
    if payload is not None:
        request["payload"] = b64encode(encode(payload, Format.JSON)).decode()
    with connect() as client, about(f"publish {topic}"):
        client.rpc("event.publish", request)


@event.command(
    short_help="Follow what is purged, each batch once and in order.",
    epilog=examples(
        "jobmgr event purges                          from now on",
        "jobmgr event purges --since 0                from the first batch that is remembered",
        "jobmgr event purges --since 41 --json        a JSON object a line",
    ),
)
@click.option(
    "--since",
    type=click.IntRange(min=0),
    metavar="SEQ",
    help="Begin after the batch with this number  [default: after the last one]",
)
@click.option("--epoch", metavar="EPOCH", help="In which SEQ counts, as --json shows it.")
@click.option(
    "-c", "--count", type=click.IntRange(min=1), metavar="N", help="Exit after this many batches."
)
@click.option("-v", "--verbose", is_flag=True, help="Print all ids.")
@click.option("--json", "as_json", is_flag=True, help="Print each batch as a JSON object.")
def purges(
    since: int | None, epoch: str | None, count: int | None, *, verbose: bool, as_json: bool
) -> None:
    """Follow what is purged: a line a batch, each once and in order, over restarts too.

    The line has the batch's number, its time, how many jobs went, why, and their ids. Go on from
    a number that was seen before with --since. Exits with 1 once the numbers are those of another
    history, since a backup was put in place; --epoch tells that of a number seen earlier, too.
    """
    shown = as_line if not as_json else lambda batch, _: msgspec.json.encode(batch).decode()
    with about("event purges"):
        asyncio.run(_follow(since, epoch, count, lambda batch: click.echo(shown(batch, verbose))))


def as_line(batch: PurgeEvent, every_id: bool) -> str:
    """A batch for people."""
    named = batch.jobs if every_id else batch.jobs[:SHORT]
    ids = [spelled(id_) for id_ in named]
    if len(batch.jobs) > len(named):
        ids.append(f"and {len(batch.jobs) - len(named)} more")
    return " ".join([str(batch.seq), iso(batch.t), str(len(batch.jobs)), batch.reason, *ids])


async def _follow(
    since: int | None,
    epoch: str | None,
    count: int | None,
    show: Callable[[PurgeEvent], object],
) -> None:
    async with connect_async() as client, aclosing(follow_purges(client, since, epoch)) as batches:
        left = count
        async for batch in batches:
            show(batch)
            if left is not None:
                left -= 1
                if not left:
                    return
