"""Submits simulated jobs over a few connections, and keeps the ids that were answered."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

from jobmgrd.client import Client
from scripts.benchmark.figures import percentile
from scripts.benchmark.jobs import simulated
from scripts.benchmark.workers import arguments, say, wait

CONNECTIONS = 8
WINDOW = 64
TIMEOUT = 120.0


async def main(uri: str, count: int, answered: str) -> None:
    """Submit `count` jobs; write the ids that were answered to a file, say how long it took."""
    say()
    wait()
    begin, left = time.monotonic(), iter(range(count))
    ids: list[int] = []
    taken: list[float] = []
    await asyncio.gather(*(_connection(uri, left, ids, taken) for _ in range(CONNECTIONS)))
    seconds = time.monotonic() - begin
    await asyncio.to_thread(Path(answered).write_text, "\n".join(map(str, ids)))
    say(seconds=seconds, answered=len(ids), p50=percentile(taken, 50), p99=percentile(taken, 99))


async def _connection(uri: str, left: Iterator[int], ids: list[int], taken: list[float]) -> None:
    async with Client(uri, timeout=TIMEOUT) as client:
        await asyncio.gather(*(_submit(client, left, ids, taken) for _ in range(WINDOW)))


async def _submit(client: Client, left: Iterator[int], ids: list[int], taken: list[float]) -> None:
    request = {"jobspec": simulated()}
    for _ in left:
        begin = time.monotonic()
        ids.append((await client.rpc("job-ingest.submit", request))["id"])
        taken.append((time.monotonic() - begin) * 1e3)


if __name__ == "__main__":
    asyncio.run(main(**arguments()))
