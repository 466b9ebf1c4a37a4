"""Holds: jobs that an active job depends on are not purged, and do not count for the limits.

A hold is a retention class, changed in the transactions that begin and end it: the submit of the
dependent, the end of the target, the end of the last dependent. What could not be released in one,
because somebody was counted on who could not be kept, is released by a heartbeat; and at start what
is held is a function of the active jobs and the pins. So it is right after any crash.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import structlog

from jobmgrd.jobs.dependents import Dependents
from jobmgrd.jobs.job import Job
from jobmgrd.jobs.retention import HELD
from jobmgrd.store.port import Changes, Facts, Store, StoreError
from protocol.job import State

log = structlog.get_logger()


class Holds:
    """Which inactive jobs are held for others.

    `class_of` tells the class of a job that no other depends on, `is_pinned` whether one has a pin.
    """

    def __init__(self, store: Store, spawn: Callable[[Coroutine[Any, Any, None]], object]) -> None:
        self._store = store
        self._spawn = spawn
        self.dependents = Dependents()
        self.class_of: Callable[[Facts], int]
        self.is_pinned: Callable[[int], bool]
        self._ended: dict[int, Facts] = {}
        self._owed: dict[int, Facts] = {}

    def __contains__(self, id: int) -> bool:
        return id in self.dependents.by_target

    def dependents_of(self, id: int) -> Sequence[int]:
        """The active jobs that depend on a job."""
        return list(self.dependents.by_target.get(id, ()))

    def keep(self, target: Facts) -> None:
        """A job that others depend on is inactive, or is about to be."""
        self._ended[target.id] = target

    def rules_of(self, jobs: Sequence[Job]) -> Mapping[int, int]:
        """The classes that change with a write of these jobs, which have dependencies."""
        ended = [job.id for job in jobs if job.state is State.INACTIVE]
        rules = {
            target: self.class_of(self._ended[target])
            for target in self.dependents.left_by(ended)
            if target in self._ended
        }
        for job in jobs:
            if not job.committed:
                targets = self.dependents.targets(job.id)
                rules.update({target: HELD for target in targets if target in self._ended})
        return rules

    def release(self, dependent: Job) -> None:
        """A job is not active any more, or could not be kept: then the write released nothing."""
        targets = self.dependents.targets(dependent.id)
        self.dependents.drop(dependent.id)
        for target in targets:
            facts = None if target in self else self._ended.pop(target, None)
            if facts is not None and not dependent.committed:
                self._owed[target] = facts

    async def recover(self, ended: Sequence[Facts]) -> None:
        """After a restart: these have ended, and active jobs depend on them; nothing else is held.

        Raises:
            StoreError: the store cannot be read, or it cannot be kept.
        """
        for facts in ended:
            self.keep(facts)
        if ended:
            await self._store.write(Changes(rules=dict.fromkeys((x.id for x in ended), HELD)))
        left = await self._wrongly_held()
        if left:
            log.info("hold.released", ids=[facts.id for facts in left])
            await self._let_go({facts.id: facts for facts in left})

    async def _wrongly_held(self) -> Sequence[Facts]:
        """The jobs that are held for nobody; takes time by the number of those that are held."""
        count = self._store.stats().held
        if not count:
            return ()
        held = await self._store.inspect(lambda history: history.oldest(HELD, count))
        wrong = [job.id for job in held if job.id not in self and not self.is_pinned(job.id)]
        rows = await self._store.rows(wrong) if wrong else ()
        return [Facts(row.id, row.result, row.queue, row.userid) for row in rows]

    def on_heartbeat(self) -> None:
        """Let go of what was held for jobs that could not be kept."""
        if self._owed:
            owed, self._owed = self._owed, {}
            self._spawn(self._let_go(owed))

    async def _let_go(self, owed: Mapping[int, Facts]) -> None:
        rules = {id: self.class_of(facts) for id, facts in owed.items() if id not in self}
        try:
            await self._store.write(Changes(rules=rules))
        except StoreError as error:
            log.warning("hold.not-released", ids=list(rules), reason=str(error))
            self._owed = {**owed, **self._owed}
