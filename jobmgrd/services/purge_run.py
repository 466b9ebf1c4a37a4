"""The heartbeat's purges: batches by the limits in force, while there is time and a job to go."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

import structlog
from msgspec import Struct

from jobmgrd.archive.port import ArchiveError
from jobmgrd.jobs.retention import BATCH_MAX, count, select
from jobmgrd.services.purger import Purger
from jobmgrd.services.retention import Retention
from jobmgrd.store.port import Store, StoreError

log = structlog.get_logger()

REASON: Final = "limit"


class Run(Struct, frozen=True):
    """What the last heartbeat's run found; rates are jobs a second, times UNIX time or seconds."""

    backlog: int = 0
    lag: float = 0.0
    rate: float = 0.0
    blocked: str = ""


class PurgeRun:
    """One run at a time; each gives way to other work between its batches."""

    def __init__(
        self,
        store: Store,
        retention: Retention,
        purger: Purger,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        clock: Callable[[], float],
        *,
        userid: int,
    ) -> None:
        self._store = store
        self._retention = retention
        self._purger = purger
        self._spawn = spawn
        self._clock = clock
        self._userid = userid
        self._budget = 0.0
        self.running = False
        self.last = Run()
        """What the last run found."""

    def configure(self, budget: float) -> None:
        """Set how many seconds a run may take."""
        self._budget = budget

    def on_heartbeat(self) -> None:
        """Start a run, unless one is under way or nothing can be eligible."""
        if self.running or self._retention.policy.unlimited:
            return
        if not self._retention.complete:
            self.last = Run(blocked="jobs are being classed by new retention rules")
        else:
            self.running = True
            self._spawn(self._run_batches())

    async def _run_batches(self) -> None:
        """Take batches while jobs are eligible and the budget lasts."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        total, blocked, more = 0, "", True
        try:
            while more and loop.time() < begin + self._budget:
                choose = partial(
                    select, policy=self._retention.policy, now=self._clock(), batch=BATCH_MAX
                )
                batch = await self._purger.purge(choose, REASON, self._userid)
                total += len(batch.record.jobs) if batch else 0
                more = batch is not None
        except (StoreError, ArchiveError) as error:
            blocked = str(error)
            log.error("purge.failed", reason=blocked, errnum=error.errnum)
        finally:
            self.running = False
        rate = total / max(loop.time() - begin, 1e-6) if total else 0.0
        self.last = await self._look_back(rate, blocked) if more else Run(rate=rate)
        if total:
            log.debug("purge.run", jobs=total, rate=round(rate), backlog=self.last.backlog)

    async def _look_back(self, rate: float, blocked: str) -> Run:
        """What a run that did not finish left behind."""
        policy, now = self._retention.policy, self._clock()
        try:
            backlog, oldest = await self._store.inspect(
                lambda h: (count(h, policy, now), select(h, policy, now, 1))
            )
        except StoreError as error:
            return Run(rate=rate, blocked=blocked or str(error))
        lag = now - oldest[0].t_clean if oldest else 0.0
        return Run(backlog=backlog, lag=lag, rate=rate, blocked=blocked)
