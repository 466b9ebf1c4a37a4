"""What a peer was told of a job by job-info."""

import json
from typing import Any

from tests.services.bench import Bench, Peer

LOOKUP = "job-info.lookup"
WATCH = "job-info.eventlog-watch"
UPDATES = "job-info.update-watch"


def lines(peer: Peer, matchtag: int) -> list[dict[str, Any]]:
    """The eventlog entries that a watch was sent."""
    return [json.loads(value["event"]) for value in peer.values(matchtag) if value]


def seen(peer: Peer, matchtag: int) -> list[str]:
    """Their names."""
    return [line["name"] for line in lines(peer, matchtag)]


async def lookup(bench: Bench, id: int, *keys: str, flags: int = 0) -> Any:  # noqa: ANN401
    """The values of keys, or errnum and text."""
    return await bench.ask(LOOKUP, {"id": id, "keys": keys, "flags": flags})
