"""Followers of the purge log, each with a connection of its own, and a few caches of all jobs."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from jobmgrd.client import Client
from jobmgrd.client.follower import Follower
from jobmgrd.client.job_cache import Change, JobCache
from scripts.benchmark.workers import arguments, say, wait

END = 120.0
LOOK = 0.1
CACHED = 1000


class Log:
    """One follower of the purge log; seqs have to come one after the other."""

    def __init__(self) -> None:
        self.last = self.gaps = 0

    async def follow(self, uri: str, ready: Callable[[], object]) -> None:
        """Take record after record."""
        async with Client(uri) as client:
            await client.rpc("job-manager.getinfo")
            ready()
            async for record in client.stream("job-manager.purge-log", {"follow": True}):
                self.gaps += record["seq"] != self.last + 1
                self.last = record["seq"]


async def main(uri: str, count: int, caches: int, answered: str) -> None:
    """Follow until told; say who has all up to the last seq, and which jobs a cache did not see."""
    logs = [Log() for _ in range(count)]
    gate = asyncio.Semaphore(0)
    ended: list[set[int]] = [set() for _ in range(caches)]
    found: list[Follower] = []
    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as stack:
        under_way = [tasks.create_task(log.follow(uri, gate.release)) for log in logs]
        for seen in ended:
            cache = JobCache(max_inactive=CACHED)
            found.append(await stack.enter_async_context(Follower(uri, cache, _noting(seen))))
        for _ in logs:
            await gate.acquire()
        say()
        await asyncio.to_thread(wait)
        async with Client(uri) as client:
            seq = (await client.rpc("job-manager.stats-get"))["purge"]["seq"]
        ids = {int(line) for line in Path(answered).read_text().split()}  # noqa: ASYNC240
        waited = 0.0
        while waited < END and not (
            all(log.last >= seq for log in logs) and all(ids <= seen for seen in ended)
        ):
            await asyncio.sleep(LOOK)
            waited += LOOK
        for task in under_way:
            task.cancel()
    say(
        seq=seq,
        gaps=sum(log.gaps for log in logs),
        behind=sum(log.last < seq for log in logs),
        unseen=sum(len(ids - seen) for seen in ended),
        resyncs=sum(follower.jobs.stats.resyncs for follower in found),
    )


def _noting(seen: set[int]) -> Callable[[Change], None]:
    def note(change: Change) -> None:
        seen.add(change.id)

    return note


if __name__ == "__main__":
    asyncio.run(main(**arguments()))
