"""Following purges without a gap: every batch once, in order, over lost events and restarts.

Events are quick but may be lost; the daemon's purge log is complete but must be asked. So: listen
first, read the log up to now, then take events, and ask the log again wherever a `seq` is missing.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from jobmgrd.client.connection import Client
from jobmgrd.client.errors import ConnectionLostError, NoDaemonError
from protocol.events import PURGE, PurgeEvent
from protocol.payload import convert
from protocol.retention import PurgeLogRequest

RETRY: Final = 0.1
"""Seconds until a daemon that went away is looked for again."""


async def follow_purges(
    client: Client, since: int | None = None
) -> AsyncGenerator[PurgeEvent, None]:
    """Every purge with seq > since, each once and in order; without `since`, those from now on.

    A daemon that restarts is waited for. Remember the `seq` of the last batch that was dealt with,
    and pass it as `since` to go on from there later.

    Raises:
        RpcError: ESTALE: the log does not reach back to `since`, or is of another store. What was
            purged meanwhile cannot be told: read the jobs anew, and begin again without `since`.
    """
    last = since
    while True:
        try:
            async with client.subscribe(PURGE) as events:
                if last is None:
                    stats = await client.rpc("job-manager.stats-get")
                    last = int(stats["purge"]["seq"])
                async with aclosing(_missed(client, last)) as missed:
                    async for batch in missed:
                        last = batch.seq
                        yield batch
                async for event in events:
                    news = convert(event.payload, PurgeEvent)
                    if news.seq > last + 1:
                        async with aclosing(_missed(client, last)) as missed:
                            async for batch in missed:
                                last = batch.seq
                                yield batch
                    elif news.seq == last + 1:
                        last = news.seq
                        yield news
        except (ConnectionLostError, NoDaemonError):
            await asyncio.sleep(RETRY)


async def _missed(client: Client, since: int) -> AsyncGenerator[PurgeEvent, None]:
    """What the daemon's log has after `since`, up to now."""
    request = PurgeLogRequest(since=since)
    async with aclosing(client.stream("job-manager.purge-log", request)) as records:
        async for record in records:
            yield convert(record, PurgeEvent)
