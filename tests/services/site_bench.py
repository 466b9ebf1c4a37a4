"""A daemon without transports that runs commands of the site around jobs."""

import signal
from collections.abc import Mapping
from typing import Any

from jobmgrd.exec.port import Attempt, Fate, Notify
from jobmgrd.jobs.site_command import SiteCommand
from jobmgrd.services.resource_drain import ResourceDrain
from jobmgrd.store.port import ActiveRow, InactiveRow, Recovered
from protocol import eventlog
from tests.services.bench import Bench, Executor

PROLOG = SiteCommand(("prolog", "-v"), 1800.0, 60.0, cancel_on_exception=True)
EPILOG = SiteCommand(("epilog",), 0.0, 60.0)
HOUSEKEEPING = ("housekeep",)
ENVIRON = {"SITE": "ours"}


class Outliving(Executor):
    """An executor whose attempts outlive the daemon, as the supervisor's do."""

    def resume(self, attempt: Attempt, elapsed: float | None) -> Fate:  # noqa: ARG002
        """See the port."""
        return Fate.RUNNING if attempt.id in self.attempts else Fate.LOST

    def cancel(self, id: int) -> None:
        """Note it only."""
        self.signals.append((id, signal.SIGTERM))


class Site(Bench):
    """The bench with commands of the site, and drains."""

    prolog: SiteCommand | None = None
    epilog: SiteCommand | None = None
    housekeeping: tuple[str, ...] = ()
    kept: Mapping[int, Attempt] = {}

    def _make_executor(self, notify: Notify) -> Executor:
        self.executor = Outliving(notify)
        self.executor.attempts.update(self.kept)
        return self.executor

    def prepare(self, recovered: Recovered) -> None:
        """Configure, before jobs are resumed."""
        self.drains = ResourceDrain(self.engine, self.store, recovered.meta, lambda: 1.0)
        self.engine.site.connect(ENVIRON, self.drains.drain_ranks, self.spawn)
        self.engine.perilogs.configure(self.prolog, self.epilog)
        self.engine.housekeeping.command = self.housekeeping

    async def restart(self) -> None:
        """The daemon is killed; what runs goes on."""
        await self.settle()
        self.kept = dict(self.executor.attempts)
        await self.boot()

    async def running(self, id: int, *words: str) -> Attempt:
        """The attempt of this command, once it is under way."""
        await self.until(lambda: self._runs(id, words))
        return self.executor.attempts[id]

    def _runs(self, id: int, words: tuple[str, ...]) -> bool:
        attempt = self.executor.attempts.get(id)
        return attempt is not None and attempt.command == words

    async def events(self, id: int) -> list[tuple[str, Mapping[str, Any]]]:
        """What happened to a job, durably: names and contexts."""
        await self.settle()
        state = await self.store.open()
        rows: list[ActiveRow | InactiveRow] = [*state.active, *await self.store.recent(99)]
        (log,) = (row.eventlog for row in rows if row.id == id)
        found = [(e.name, e.context or {}) for e in eventlog.decode(log)]
        return [entry for entry in found if entry[0] not in ("validate", "depend", "priority")]

    def free_cores(self) -> int:
        """How many cores are free."""
        return self.engine.allocator.scheduler.free.cores

    def reasons(self) -> list[str]:
        """Why nodes are drained."""
        return [drain.reason or "" for drain in self.drains.drained.values()]


def named(entries: list[tuple[str, Mapping[str, Any]]], start: str) -> list[str]:
    """The names of events, from one of this name on."""
    names = [name for name, _ in entries]
    return names[names.index(start) :]


async def booted(
    prolog: SiteCommand | None = None,
    epilog: SiteCommand | None = None,
    housekeeping: tuple[str, ...] = (),
) -> Site:
    """A daemon without transports, with these commands."""
    made = Site()
    made.prolog, made.epilog, made.housekeeping = prolog, epilog, housekeeping
    await made.boot()
    return made
