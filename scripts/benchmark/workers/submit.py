"""Submits jobs over one connection, all of them at once."""

import asyncio
import time
from typing import Any

from jobmgrd.client import Client
from scripts.benchmark.workers import arguments, say, wait

TIMEOUT = 300.0


async def main(uri: str, count: int, jobspec: dict[str, Any]) -> None:
    """Say when the first request went out and the last answer came in."""
    async with Client(uri, timeout=TIMEOUT) as client:
        await client.rpc("job-ingest.ping", {})
        say()
        wait()
        begin = time.monotonic()
        request = {"jobspec": jobspec}
        await asyncio.gather(*(client.rpc("job-ingest.submit", request) for _ in range(count)))
        say(begin=begin, end=time.monotonic())


if __name__ == "__main__":
    asyncio.run(main(**arguments()))
