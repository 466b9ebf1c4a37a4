"""How many active jobs each user has, counted while there is a limit."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from jobmgrd.commits import Committed
from jobmgrd.engine import Engine
from jobmgrd.limits import UNLIMITED, Guard
from protocol.job_manager import SubmitReply


class ActiveJobs:
    """Counts nothing while there is no limit."""

    def __init__(self, engine: Engine, guard: Guard) -> None:
        self._engine = engine
        self._guard = guard
        self._counts: Counter[int] | None = None
        self._listens = False

    def check(self, userid: int) -> None:
        """Refuse a job of a user who has as many as may be.

        Raises:
            RpcError: EAGAIN.
        """
        if self._counts is None:
            self._counts = Counter(job.userid for job in self._engine.jobs.values())
            if not self._listens:
                self._listens = True
                self._engine.commits.listen(self)
        if self._counts[userid] >= self._guard.limits.active_jobs:
            raise self._guard.refuse("active_jobs")

    def taken(self, userid: int, future: "asyncio.Future[SubmitReply]") -> None:
        """Count a job that was taken in, unless it turns out not to be kept."""
        if self._counts is None:
            return
        counts = self._counts
        counts[userid] += 1

        def kept(future: "asyncio.Future[SubmitReply]") -> None:
            if future.cancelled() or future.exception() is not None:
                counts[userid] -= 1

        future.add_done_callback(kept)

    def committed(self, batch: Sequence[Committed]) -> None:
        """See Listener."""
        if self._counts is None:
            return
        if self._guard.limits.active_jobs == UNLIMITED:
            self._counts = None
            return
        for item in batch:
            if item.last:
                self._counts[item.job.userid] -= 1
                if not self._counts[item.job.userid]:
                    del self._counts[item.job.userid]
