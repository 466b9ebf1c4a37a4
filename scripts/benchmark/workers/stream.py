"""Reads all ended jobs as a stream, as fast as they come."""

import asyncio
import time
from collections.abc import Sequence

from jobmgrd.client import Client
from scripts.benchmark.workers import arguments, say


async def main(uri: str, attrs: Sequence[str]) -> None:
    """Say how many jobs there were, and how many seconds that took."""
    request = {"max_entries": 0, "attrs": attrs, "constraint": {"states": ["inactive"]}}
    jobs = 0
    async with Client(uri) as client:
        begin = time.monotonic()
        async for page in client.stream("job-list.list", request):
            jobs += len(page["jobs"])
        say(jobs=jobs, seconds=time.monotonic() - begin)


if __name__ == "__main__":
    asyncio.run(main(**arguments()))
