"""health.check: the daemon examines itself. Ours, not Flux's."""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from jobmgrd.archive.port import Archive
from jobmgrd.call import Call, Empty
from jobmgrd.clock import Clock
from jobmgrd.commits import Commits
from jobmgrd.health import Facts, examine, worst
from jobmgrd.jobs.retention import UNLIMITED
from jobmgrd.limits import Guard
from jobmgrd.log_limit import LIMIT
from jobmgrd.router import OWNER, Route
from jobmgrd.store.port import Store
from protocol.health import HealthReply
from protocol.job_manager import PurgeStats


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

    def check(self, _call: Call, _request: Empty) -> HealthReply:
        """All findings."""
        findings = examine(self._facts())
        return HealthReply(worst(findings), findings)

    def _facts(self) -> Facts:
        store, purge = self._store.stats(), self._purge_stats()
        disk = os.statvfs(self._statedir)
        self._clock()  # looks whether the wall clock has jumped
        return Facts(
            now=time.time(),
            clock_jump=self._clock.jump,
            statedir=str(self._statedir),
            room=disk.f_bavail * disk.f_frsize,
            reserve=store.reserve,
            unwritten=self._commits.failure,
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
