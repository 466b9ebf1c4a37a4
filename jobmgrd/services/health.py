"""health.check: the daemon examines itself. Ours, not Flux's."""

import asyncio
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from jobmgrd.archive.port import Archive
from jobmgrd.call import Call, Empty
from jobmgrd.clock import Clock
from jobmgrd.commits import Commits
from jobmgrd.health import Facts, examine, worst
from jobmgrd.jobs.retention import UNLIMITED
from jobmgrd.limits import Guard
from jobmgrd.log_limit import LIMIT
from jobmgrd.routes import OWNER, Route
from jobmgrd.store.port import Store
from protocol.health import HealthReply
from protocol.job_manager import PurgeStats

PATIENCE: Final = 3.0
"""Seconds that a file system has to say how full it is."""


class Health:
    """Gathers what others know; costs nothing until it is asked."""

    def __init__(
        self,
        commits: Commits,
        store: Store,
        purge_stats: Callable[[], PurgeStats],
        archive: Archive | None,
        clock: Clock,
        statedir: Path,
        guard: Guard,
    ) -> None:
        self._commits = commits
        self._store = store
        self._purge_stats = purge_stats
        self._archive = archive
        self._clock = clock
        self._statedir = statedir
        self._guard = guard

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [Route("health.check", Empty, self.check, role=OWNER)]

    async def check(self, _call: Call, _request: Empty) -> HealthReply:
        """All findings."""
        findings = examine(self._facts(*await self._directory()))
        return HealthReply(worst(findings), findings)

    async def _directory(self) -> tuple[int, int | None]:
        """Permissions of the state directory, and the bytes that are left there; 0, None: it hangs.

        Asked on a thread: a file system that hangs must not hold the event loop.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                mode = (await asyncio.to_thread(os.stat, self._statedir)).st_mode
                disk = await asyncio.to_thread(os.statvfs, self._statedir)
        except TimeoutError:
            return 0, None
        return stat.S_IMODE(mode), disk.f_bavail * disk.f_frsize

    def _facts(self, mode: int, room: int | None) -> Facts:
        store, purge = self._store.stats(), self._purge_stats()
        now = self._clock()  # looks whether the wall clock has jumped
        return Facts(
            now=now + self._clock.jump,
            clock_jump=self._clock.jump,
            statedir=str(self._statedir),
            mode=mode,
            room=room,
            reserve=store.reserve,
            unwritten=self._commits.failure,
            waiting=self._commits.waiting,
            inactive=store.inactive,
            limited=purge.age_limit != UNLIMITED or purge.num_limit != UNLIMITED,
            backlog=purge.backlog,
            lag=purge.lag,
            blocked=purge.blocked,
            archive_error=self._archive.stats().last_error if self._archive else "",
            orphans=store.orphans,
            suppressed=LIMIT.suppressed,
            refused=self._guard.refused,
        )
