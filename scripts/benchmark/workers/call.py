"""Calls a daemon with the asyncio client, one RPC after the other and pipelined."""

import asyncio
import time

from jobmgrd.client import Client
from scripts.benchmark.figures import percentile
from scripts.benchmark.workers import arguments, say

CALLERS = 512


async def main(uri: str, topic: str, sequential: int, pipelined: int) -> None:
    """Say p50 and p99 of the ones in sequence, in microseconds, and the rate of the others."""
    async with Client(uri) as client:
        await client.rpc(topic)
        taken: list[float] = []
        for _ in range(sequential):
            begin = time.perf_counter()
            await client.rpc(topic)
            taken.append((time.perf_counter() - begin) * 1e6)

        async def calls(count: int) -> None:
            for _ in range(count):
                await client.rpc(topic)

        begin = time.monotonic()
        await asyncio.gather(*(calls(pipelined // CALLERS) for _ in range(CALLERS)))
        rate = pipelined // CALLERS * CALLERS / (time.monotonic() - begin)
    say(p50=percentile(taken, 50), p99=percentile(taken, 99), rate=rate)


if __name__ == "__main__":
    asyncio.run(main(**arguments()))
