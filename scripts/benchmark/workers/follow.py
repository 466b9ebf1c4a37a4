"""Follows all jobs, until those that were submitted since it was told have ended."""

import asyncio
import time

from jobmgrd.client.follower import Follower
from protocol.job import State
from scripts.benchmark.workers import arguments, say, wait


async def main(uri: str, jobs: int) -> None:
    """Say when it follows, and when the last job has ended."""
    async with Follower(uri) as follower:
        await follower.until(lambda _: True)
        say()
        await asyncio.to_thread(wait)
        await follower.until(lambda found: found.stats.states.get(State.INACTIVE, 0) >= jobs)
        say(end=time.monotonic())


if __name__ == "__main__":
    asyncio.run(main(**arguments()))
