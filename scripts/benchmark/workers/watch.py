"""Watches every event of every job, until a number of jobs have ended."""

import asyncio
import time

from jobmgrd.client import Client
from scripts.benchmark.workers import arguments, say


async def main(uri: str, count: int) -> None:
    """Say when the stream has begun, and when the last job's clean event came."""
    ended = 0
    async with Client(uri) as client:
        async for answer in client.stream("job-manager.events-journal"):
            if answer["id"] == -1:
                say()
            ended += sum(event["name"] == "clean" for event in answer["events"])
            if ended == count:
                break
    say(end=time.monotonic())


if __name__ == "__main__":
    asyncio.run(main(**arguments()))
