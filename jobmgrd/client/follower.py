"""Follows all jobs: an asyncio shell around JobCache that outlives daemons.

    async with Follower() as follower:
        await follower.until(lambda jobs: jobs.stats.states[State.RUN] == 0)
        print(follower.jobs[id]["result"])

Memory is bounded by the active jobs and `max_inactive`.
"""

import asyncio
import errno
from collections.abc import Callable
from contextlib import aclosing
from types import TracebackType
from typing import Final, Self

from jobmgrd.client.connection import Client
from jobmgrd.client.errors import ConnectionLostError, NoDaemonError, NotAdmittedError
from jobmgrd.client.job_cache import Change, JobCache, StreamGapError
from protocol.errors import RpcError
from protocol.journal import TOPIC, JournalReply
from protocol.payload import convert

RETRY: Final = 0.1
"""Seconds until a daemon that went away is looked for again."""


class Follower:
    """A cache of all jobs that is kept as the daemon is.

    Entering it begins to follow; a daemon that is not there, or goes away, is waited for. Until
    then, and until it has been heard, `jobs` is what it was.

    Args:
        uri: where the daemon is (see jobmgrd.client.uri).
        jobs: the cache, to choose its attributes and bounds; one that is already filled goes on.
        on_change: called for every change, once it is in the cache.

    Raises:
        UriError: the URI is wrong.
        RpcError, NotAdmittedError: from `until` and on leaving: the daemon does not let us follow,
            or not even in.
    """

    def __init__(
        self,
        uri: str | None = None,
        jobs: JobCache | None = None,
        on_change: Callable[[Change], object] = lambda _change: None,
    ) -> None:
        self.jobs = JobCache() if jobs is None else jobs
        self._client = Client(uri)
        self._on_change = on_change
        self._turn = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._task.done():
            self._task.cancel()
        try:
            await self._task
        except asyncio.CancelledError:
            pass
        finally:
            await self._client.close()

    async def until(self, condition: Callable[[JobCache], bool]) -> None:
        """Wait until the cache is in step with the daemon, as far as heard, and this holds."""
        while not (self.jobs.synced and condition(self.jobs)):
            if self._task.done():
                await self._task
            self._turn.clear()
            await self._turn.wait()

    async def _run(self) -> None:
        try:
            while True:
                try:
                    await self._follow()
                except NotAdmittedError:
                    raise
                except (StreamGapError, ConnectionLostError, NoDaemonError):
                    pass
                except RpcError as error:
                    if error.errnum == errno.ESTALE:
                        self.jobs.resync()
                    elif error.errnum != errno.ECANCELED:  # the daemon is stopping
                        raise
                await asyncio.sleep(RETRY)
        finally:
            self._turn.set()

    async def _follow(self) -> None:
        """One stream, until it ends."""
        async with aclosing(self._client.stream(TOPIC, self.jobs.begin())) as replies:
            async for reply in replies:
                for change in self.jobs.apply(convert(reply, JournalReply)):
                    self._on_change(change)
                self._turn.set()
