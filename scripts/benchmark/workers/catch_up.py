"""Follows all jobs, goes away until it is told, and comes back with what it knew."""

import asyncio
import time

from jobmgrd.client.follower import Follower
from jobmgrd.client.job_cache import JobCache
from protocol.job import State
from scripts.benchmark.workers import arguments, say, wait


async def main(uri: str, jobs: int) -> None:
    """Say when it has gone, then the seconds until it knows of that many ended jobs."""
    cache = JobCache()
    async with Follower(uri, cache) as follower:
        await follower.until(lambda _: True)
    say()
    wait()
    begin = time.monotonic()
    async with Follower(uri, cache) as follower:
        await follower.until(lambda found: found.stats.states.get(State.INACTIVE, 0) >= jobs)
    say(seconds=time.monotonic() - begin, resyncs=cache.stats.resyncs)


if __name__ == "__main__":
    asyncio.run(main(**arguments()))
