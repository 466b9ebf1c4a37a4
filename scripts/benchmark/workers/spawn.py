"""The bare limit of real jobs: asyncio's subprocesses, with pipes, some at a time."""

import asyncio
import time
from asyncio.subprocess import PIPE

from scripts.benchmark.figures import percentile
from scripts.benchmark.workers import arguments, say


async def main(count: int, at_once: int) -> None:
    """Say processes a second, and p50 and p99 of the milliseconds that a start takes."""
    taken: list[float] = []

    async def some(number: int) -> None:
        for _ in range(number):
            begin = time.perf_counter()
            process = await asyncio.create_subprocess_exec("true", stdout=PIPE, stderr=PIPE)
            taken.append(time.perf_counter() - begin)
            await process.communicate()

    begin = time.monotonic()
    await asyncio.gather(*(some(count // at_once) for _ in range(at_once)))
    rate = count // at_once * at_once / (time.monotonic() - begin)
    say(rate=rate, p50=percentile(taken, 50) * 1e3, p99=percentile(taken, 99) * 1e3)


if __name__ == "__main__":
    asyncio.run(main(**arguments()))
