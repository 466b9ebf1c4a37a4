"""job-manager.stats-get: counters that cost nothing to read, however long the history."""

from collections.abc import Iterable

from jobmgrd.archive.port import Archive
from jobmgrd.call import Call, Empty
from jobmgrd.clock import Clock
from jobmgrd.engine import Engine
from jobmgrd.limits import Guard
from jobmgrd.routes import Route, Scope
from jobmgrd.services.journal import Journal
from jobmgrd.services.plugins import Plugins
from jobmgrd.services.purge import Purge
from jobmgrd.services.totals import Totals
from jobmgrd.store.port import Store
from protocol.job_manager import ArchiveStats, StatsReply, StoreStats


class Stats:
    """Gathers what others count."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        purge: Purge,
        journal: Journal,
        totals: Totals,
        archive: Archive | None,
        plugins: Plugins,
        clock: Clock,
        guard: Guard,
    ) -> None:
        self._engine = engine
        self._store = store
        self._purge = purge
        self._journal = journal
        self._totals = totals
        self._archive = archive
        self._plugins = plugins
        self._clock = clock
        self._guard = guard

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("job-manager.stats-get", Empty, self.stats, scope=Scope.TOTALS),
            Route("job-manager.stats", Empty, self.stats, scope=Scope.TOTALS),
        ]

    def stats(self, _call: Call, _request: Empty) -> StatsReply:
        """See `gather`."""
        return self.gather()

    def gather(self) -> StatsReply:
        """All counters."""
        store = self._store.stats()
        return StatsReply(
            journal={"listeners": self._journal.listeners, "events": self._journal.events},
            active_jobs=self._engine.active,
            inactive_jobs=store.inactive,
            max_jobid=self._engine.max_jobid,
            housekeeping=self._engine.housekeeping.stats,
            purge=self._purge.stats(),
            store=StoreStats(
                commits=store.commits,
                commit_mean=store.commit_seconds / store.commits if store.commits else 0.0,
                size=store.size,
                free=store.free,
            ),
            archive=self._archive_stats(),
            totals=self._totals.stats(),
            orphans=store.orphans,
            plugins=self._plugins.stats(),
            clock_jump=self._clock.jump,
            refused=self._guard.refused,
        )

    def _archive_stats(self) -> ArchiveStats | None:
        if self._archive is None:
            return None
        stats = self._archive.stats()
        return ArchiveStats(
            stats.path, stats.archived, stats.failures, stats.last_error, stats.size
        )
