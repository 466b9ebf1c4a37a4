"""Asks for lists of ended jobs, the same several times, one after the other."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from jobmgrd.client import Client
from scripts.benchmark.figures import percentile
from scripts.benchmark.workers import arguments, say


async def main(
    uri: str, attrs: Sequence[str], queries: Mapping[str, Any], limit: int, times: int
) -> None:
    """Say of each query p50, in milliseconds, and how many jobs there were."""
    async with Client(uri) as client:
        for constraint in queries.values():
            both = {"and": [{"states": ["inactive"]}, constraint]}
            request = {"max_entries": limit, "attrs": attrs, "constraint": both}
            jobs = (await client.rpc("job-list.list", request))["jobs"]
            taken = []
            for _ in range(times):
                begin = time.perf_counter()
                await client.rpc("job-list.list", request)
                taken.append((time.perf_counter() - begin) * 1e3)
            say(p50=percentile(taken, 50), rows=len(jobs))


if __name__ == "__main__":
    asyncio.run(main(**arguments()))
