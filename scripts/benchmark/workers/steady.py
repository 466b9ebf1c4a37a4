"""Submits simulated jobs at a steady pace, until the suite ends the process."""

import asyncio
import time

from jobmgrd.client import Client
from scripts.benchmark.jobs import simulated
from scripts.benchmark.workers import arguments, say, told

TICK = 0.05


async def main(uri: str, rate: float) -> None:
    """Submit `rate` jobs a second, those of a tick at once; say how many, each time when told.

    A daemon that is too slow gets fewer: the next ones wait for the answers to the last ones.
    """
    submitted = 0
    request = {"jobspec": simulated()}
    async with Client(uri) as client:
        begin = time.monotonic()
        while True:
            due = int((time.monotonic() - begin) * rate) - submitted
            count = min(due, int(2 * rate * TICK) + 1)
            await asyncio.gather(*(client.rpc("job-ingest.submit", request) for _ in range(count)))
            submitted += count
            if told(0.0):
                say(submitted=submitted)
            await asyncio.sleep(TICK)


if __name__ == "__main__":
    asyncio.run(main(**arguments()))
