"""jobmgr event: follow what the daemon publishes, or publish something."""

import json
from base64 import b64encode
from itertools import islice
from typing import Any

import click

from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import about
from jobmgrd.cli.json_value import ObjectType
from jobmgrd.cli.lazy import examples
from protocol.payload import encode


@click.group()
def event() -> None:
    """Follow events as they are published, or publish one."""


@event.command(
    epilog=examples(
        "jobmgr event sub                              all events",
        "jobmgr event sub job-purge-inactive           purged jobs",
        "jobmgr event sub -c1 heartbeat.pulse          wait for a heartbeat",
    )
)
@click.option("-c", "--count", type=click.IntRange(min=1), help="Exit after this many events.")
@click.argument("topics", nargs=-1, metavar="[TOPIC]...")
def sub(topics: tuple[str, ...], count: int | None) -> None:
    """Print events whose topic begins with one of TOPIC, each as its topic and its JSON payload."""
    with connect() as client, client.subscribe(*topics) as events:
        for item in islice(events, count):
            click.echo(f"{item.topic} {json.dumps(item.payload)}")


@event.command(
    epilog=examples(
        "jobmgr event pub backup.begin",
        """jobmgr event pub backup.end '{"files": 17}'""",
    )
)
@click.argument("topic")
@click.argument("payload", required=False, type=ObjectType(), metavar="[JSON]")
def pub(topic: str, payload: dict[str, Any] | None) -> None:
    """Publish an event with an optional payload, a JSON object."""
    request = {"topic": topic}
    if payload is not None:
        request["payload"] = b64encode(encode(payload)).decode()
    with connect() as client, about(f"publish {topic}"):
        client.rpc("event.publish", request)
