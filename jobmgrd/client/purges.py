"""Following purges without a gap: every batch once, in order, over lost events and restarts.

Events are quick but may be lost; the daemon's purge log is complete but must be asked. So: listen
first, read the log up to now, then take events, and ask the log again wherever a `seq` is missing.
A `seq` counts within an epoch: a daemon whose store was restored from a backup counts in another
one, and gives numbers out again.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from msgspec import Struct

from jobmgrd.client.connection import Client
from jobmgrd.client.errors import ConnectionLostError, NoDaemonError, NotAdmittedError
from protocol.events import PURGE, PurgeEvent
from protocol.payload import convert
from protocol.retention import PurgeLogRequest

RETRY: Final = 0.1
"""Seconds until a daemon that went away is looked for again."""


async def follow_purges(
    client: Client, since: int | None = None, epoch: str | None = None
) -> AsyncGenerator[PurgeEvent, None]:
    """Every purge with seq > since, each once and in order; without `since`, those from now on.

    A daemon that restarts is waited for. Remember `seq` and `epoch` of the last batch that was
    dealt with, and pass them as `since` and `epoch` to go on from there later. Without `epoch`, the
    daemon's present one is taken for that of `since`.

    Raises:
        RpcError: ESTALE: the log does not reach back to `since`, or the history is another one,
            now or later on. What was purged meanwhile cannot be told: read the jobs anew, and begin
            again without `since`.
        NotAdmittedError: the daemon does not let us in.
    """
    last = since
    while True:
        try:
            async with client.subscribe(PURGE) as events:
                if last is None or epoch is None:
                    stats = convert((await client.rpc("job-manager.stats-get"))["purge"], _Now)
                    last = stats.seq if last is None else last
                    epoch = stats.epoch if epoch is None else epoch
                async with aclosing(_missed(client, last, epoch)) as missed:
                    async for batch in missed:
                        last = batch.seq
                        yield batch
                async for event in events:
                    news = convert(event.payload, PurgeEvent)
                    if news.seq > last + 1 or news.epoch != epoch:
                        async with aclosing(_missed(client, last, epoch)) as missed:
                            async for batch in missed:
                                last = batch.seq
                                yield batch
                    elif news.seq == last + 1:
                        last = news.seq
                        yield news
        except NotAdmittedError:
            raise
        except (ConnectionLostError, NoDaemonError):
            await asyncio.sleep(RETRY)


class _Now(Struct):
    """Where the daemon is."""

    seq: int
    epoch: str


async def _missed(client: Client, since: int, epoch: str) -> AsyncGenerator[PurgeEvent, None]:
    """What the daemon's log has after `since`, up to now; refused if its epoch is another."""
    request = PurgeLogRequest(since=since, epoch=epoch)
    async with aclosing(client.stream("job-manager.purge-log", request)) as records:
        async for record in records:
            yield convert(record, PurgeEvent)
