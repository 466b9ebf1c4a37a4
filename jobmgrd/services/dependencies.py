"""Dependencies (RFC 26) at work: checked at submit, awaited in DEPEND, resolved as they are met.

    submit -> check: each is awaitable, met already, or refused -> dependency-add -> DEPEND
    commit of another job's start or end, the clock -> dependency-remove, or an exception

A job can only depend on one that was answered before, and so has a smaller id: there are no cycles.
What meets a dependency is durable before that is met, so a restart, which looks at all of them
again, comes to the same end. Many jobs that wait for one are resolved some at a time, with other
work in between.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from jobmgrd.commits import Committed
from jobmgrd.engine import Engine
from jobmgrd.jobs.dependencies import (
    SINGLETON,
    After,
    BeginTime,
    Dependency,
    Singleton,
    never,
    never_note,
)
from jobmgrd.jobs.job import Job
from jobmgrd.jobs.outcome import Outcome
from jobmgrd.jobs.singletons import Singletons
from jobmgrd.services.antecedents import look_up
from jobmgrd.services.begin_times import BeginTimes
from jobmgrd.services.dependency_plan import TYPE, Plan, Planner, parse_all
from jobmgrd.services.holds import Holds
from jobmgrd.store.port import Store
from protocol.errors import RpcError
from protocol.job import State
from protocol.message import Cred

AT_ONCE: Final = 100
"""Dependencies resolved in one go: some milliseconds."""


class Dependencies:
    """Who waits for what."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        holds: Holds,
        clock: Callable[[], float],
        sees_all: Callable[[Cred], bool] = lambda _cred: True,
    ) -> None:
        self._engine = engine
        self._store = store
        self._holds = holds
        self._dependents = holds.dependents
        self.singletons = Singletons()
        """While these count, `taken` wants to know of jobs without dependencies, too."""
        self.planner = Planner(engine, store, self.singletons, sees_all)
        """Tells the plans that `taken` is given."""
        self._times = BeginTimes(clock, self._resolve)
        self._listening = False
        self._due: deque[tuple[int, str, str | None]] = deque()

    # --- jobs come and go -------------------------------------------------------------------

    def taken(self, job: Job, plan: Plan | None = None) -> None:
        """A job was taken in, by this plan if it has dependencies."""
        if plan is not None:
            for item in plan.dependencies:
                self._await(job, item, met=item.description in plan.met)
            for facts in plan.ended:
                self._holds.keep(facts)
        if self.singletons.counting:
            self.singletons.taken(job)
        self._listen()

    def gone(self, job: Job) -> None:
        """A job is not active any more, or was taken in and could not be kept."""
        if job.jobspec.dependencies:
            self._holds.release(job)
            self._times.drop(job.id)
        if self.singletons.counting:
            singleton = self.singletons.ended(job.id)
            if singleton is not None:
                self._resolve(singleton, SINGLETON)

    def _await(self, job: Job, item: Dependency, *, met: bool) -> None:
        """Wait for a dependency, or resolve it; one that was resolved before is only noted."""
        waits = item.description in job.dependencies and not met
        match item:
            case After():
                self._dependents.add(job.id, item, await_start=item.on_start and waits)
            case BeginTime() if waits:
                self._times.add(item.t, job.id, item.description)
            case Singleton() if waits:
                self.singletons.wait(job)
        if met:
            self._resolve(job.id, item.description)

    # --- what happens -----------------------------------------------------------------------

    def committed(self, batch: Sequence[Committed]) -> None:
        """See Listener."""
        targets = self._dependents.by_target
        for item in batch:
            job = item.job
            if job.id in targets:
                self._moved(job, last=item.last)
            if item.last:
                self.gone(job)
        self._listen()

    def _listen(self) -> None:
        """Be told of commits as long as they concern anybody, and no longer."""
        waited_for = self._dependents.by_target or self._times
        concerned = bool(waited_for) or self.singletons.counting
        if concerned != self._listening:
            self._listening = concerned
            (self._engine.commits.listen if concerned else self._engine.commits.ignore)(self)

    def _moved(self, target: Job, *, last: bool) -> None:
        if target.started:
            for id, after in self._dependents.started(target.id):
                self._resolve(id, after.description)
        if last:
            outcome = Outcome.of(target.result, target.fate)
            for id, after in self._dependents.on(target.id):
                self._resolve(id, after.description, never_note(after, never(after, outcome)))

    def on_heartbeat(self) -> None:
        """The clock may have been set."""
        self._times.look()

    # --- resolution -------------------------------------------------------------------------

    def _resolve(self, id: int, description: str, never: str | None = None) -> None:
        """Remove a dependency soon, or end the job with a note why it will never be met."""
        if not self._due:
            asyncio.get_running_loop().call_soon(self._work)
        self._due.append((id, description, never))

    def _work(self) -> None:
        for _ in range(min(AT_ONCE, len(self._due))):
            id, description, never = self._due.popleft()
            job = self._engine.jobs.get(id)
            if job is None or job.state is not State.DEPEND or description not in job.dependencies:
                continue
            if never is None:
                self._engine.post(job, "dependency-remove", {"description": description})
            else:
                self._engine.raise_exception(job, TYPE, 0, never)
        if self._due:
            asyncio.get_running_loop().call_soon(self._work)

    # --- restart ----------------------------------------------------------------------------

    async def recover(self) -> None:
        """Wait again for what the recovered jobs wait for, or resolve what came meanwhile.

        Raises:
            StoreError: the store cannot be read.
        """
        jobs = [job for job in self._engine.jobs.values() if job.jobspec.dependencies]
        if any(SINGLETON in job.dependencies for job in jobs):
            self.singletons.begin(self._engine.jobs.values())
        ended: list[tuple[Job, After]] = []
        for job in jobs:
            for item in self._parse_again(job):
                if isinstance(item, After):
                    target = self._engine.jobs.get(item.target)
                    self._await(job, item, met=target is not None and _has_met(target, item))
                    if target is None:
                        ended.append((job, item))
                else:
                    self._await(job, item, met=False)
        self._listen()
        for id in self.singletons.ready():
            self._resolve(id, SINGLETON)
        await self._recover_ended(ended)

    def _parse_again(self, job: Job) -> list[Dependency]:
        """The dependencies of a recovered job; what cannot be awaited raises an exception."""
        good: list[Dependency] = []
        try:
            found = parse_all(job.jobspec)
        except RpcError as error:
            self._engine.raise_exception(job, TYPE, 0, str(error))
            return good
        for item in found:
            if isinstance(item, After) and item.target >= job.id:  # a cycle made by hand
                note = never_note(item, "is not older than this job")
                self._resolve(job.id, item.description, note)
            else:
                good.append(item)
        return good

    async def _recover_ended(self, waits: Sequence[tuple[Job, After]]) -> None:
        found = await look_up(self._store, {after.target for _, after in waits})
        await self._holds.recover([end.facts for end in found.values() if end and end.facts])
        for job, after in waits:
            end = found[after.target]
            why = "is not known any more" if end is None else never(after, end.outcome)
            self._resolve(job.id, after.description, never_note(after, why))


def _has_met(target: Job, after: After) -> bool:
    """Whether an active job has met a dependency already."""
    return after.on_start and target.started
