"""Listens to purge events: when they come, and how long after the time that they tell."""

import asyncio
import time
from contextlib import suppress

from jobmgrd.client import Client
from scripts.benchmark.figures import percentile
from scripts.benchmark.workers import arguments, say


async def main(uri: str, jobs: int, seconds: float) -> None:
    """Say, once `jobs` were purged or `seconds` are over: how many, the last one's time, delays.

    A delay, in milliseconds, is from the `t` in an event, which the daemon reads before it
    begins the transaction, to the event's arrival here: both are this machine's clock.
    """
    purged, last = 0, 0.0
    delays: list[float] = []
    async with Client(uri) as client, client.subscribe("job-purge-inactive") as events:
        say()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for event in events:
                    delays.append((time.time() - event.payload["t"]) * 1e3)
                    last = time.monotonic()
                    purged += len(event.payload["jobs"])
                    if purged >= jobs:
                        break
    p50, p99 = (percentile(delays or [0.0], percent) for percent in (50, 99))
    say(jobs=purged, last=last, p50=p50, p99=p99)


if __name__ == "__main__":
    asyncio.run(main(**arguments()))
