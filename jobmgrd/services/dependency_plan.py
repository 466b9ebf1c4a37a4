"""What a job will have to wait for: told at its submit, which is refused for what is never met."""

import errno
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from jobmgrd.engine import Engine
from jobmgrd.jobs.dependencies import (
    DEPRECATED,
    SINGLETON,
    After,
    Dependency,
    Foreign,
    never,
    parse,
)
from jobmgrd.jobs.job import Job
from jobmgrd.jobs.singletons import Singletons
from jobmgrd.services.antecedents import Ended, look_up
from jobmgrd.store.port import Facts, Store
from protocol.errors import FormatError, RpcError
from protocol.jobspec import Jobspec
from protocol.message import Cred

TYPE: Final = "dependency"
"""Of the exceptions that speak of dependencies."""

DEPENDENCIES_MAX: Final = 10_000
"""Of one job: each is an event of it, and perhaps a look into the store."""


class Plan(Struct, frozen=True):
    """The dependencies of a job that is about to be taken in."""

    dependencies: Sequence[Dependency]
    met: Collection[str] = ()  # descriptions
    ended: Sequence[Facts] = ()  # inactive jobs that it depends on

    @property
    def first(self) -> list[tuple[str, Mapping[str, Any]]]:
        """The events that come before the job's validation."""
        events: list[tuple[str, Mapping[str, Any]]] = []
        if any(isinstance(item, After) and item.scheme == "after" for item in self.dependencies):
            events.append(("exception", {"type": TYPE, "severity": 3, "note": DEPRECATED}))
        return events + [
            ("dependency-add", {"description": item.description}) for item in self.dependencies
        ]


class Planner:
    """Makes plans; `sees_all` tells whether a user may know of the jobs of others."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        singletons: Singletons,
        sees_all: Callable[[Cred], bool],
    ) -> None:
        self._engine = engine
        self._store = store
        self._singletons = singletons
        self._sees_all = sees_all

    async def plan(self, jobspec: Jobspec, cred: Cred) -> Plan:
        """What a job will have to wait for.

        The plan is of this moment: the job is taken in without waiting for anything else first.

        Raises:
            RpcError: EINVAL, for a dependency that is wrong, not allowed, or never met any more.
        """
        found = {item.description: item for item in parse_all(jobspec)}  # each once
        afters = [item for item in found.values() if isinstance(item, After)]
        ended: dict[int, Ended | None] = {}
        while unknown := {a.target for a in afters if not self._active(a, cred)} - ended.keys():
            ended |= await look_up(self._store, unknown)  # active ones may end meanwhile
        if SINGLETON in found and not self._must_wait(jobspec, cred.userid):
            del found[SINGLETON]
        return Plan(
            list(found.values()),
            met={item.description for item in afters if self._is_met(item, ended, cred)},
            ended=[end.facts for end in ended.values() if end is not None and end.facts],
        )

    def _must_wait(self, jobspec: Jobspec, userid: int) -> bool:
        if not jobspec.given_name:
            raise RpcError(errno.EINVAL, "singleton jobs require a job name")
        self._singletons.begin(self._engine.jobs.values())
        return self._singletons.others(userid, jobspec.given_name) > 0

    def _active(self, after: After, cred: Cred) -> Job | None:
        """The job that is waited for, if it is active and the user may know of it."""
        job = self._engine.jobs.get(after.target)
        if job is None or not (job.userid == cred.userid or self._sees_all(cred)):
            return None
        return job

    def _is_met(self, after: After, ended: Mapping[int, Ended | None], cred: Cred) -> bool:
        """Whether a dependency is met already; it may be later if the target is active."""
        target, end = self._active(after, cred), ended.get(after.target)
        if target is not None and target.committed:  # else nobody was told its id
            _authorize(after, target.userid, cred.userid)
            return after.on_start and target.started
        if end is None or not (end.userid == cred.userid or self._sees_all(cred)):
            text = f"dependency: {after.scheme}: id {after.value}: job not found"
            raise RpcError(errno.EINVAL, text)
        if end.userid is not None:
            _authorize(after, end.userid, cred.userid)
        why = never(after, end.outcome)
        if why is not None:
            when = f" (it was purged at {end.purged})" if end.purged else ""
            text = f"dependency: {after.scheme}: job {after.value} {why}{when}"
            raise RpcError(errno.EINVAL, text)
        return True


def _authorize(after: After, owner: int, userid: int) -> None:
    if owner != userid:
        text = f"{after.scheme}: Permission denied for job {after.value}"
        raise RpcError(errno.EINVAL, text)


def unsupported(item: Foreign) -> str:
    """What to say of a scheme that nobody knows."""
    return f'dependency scheme "{item.scheme}" not supported'


def parse_all(jobspec: Jobspec) -> list[Dependency]:
    """The dependencies of a job.

    Raises:
        RpcError: EINVAL, one is wrong, or there are too many.
    """
    if len(jobspec.dependencies) > DEPENDENCIES_MAX:
        raise RpcError(errno.EINVAL, f"a job may have {DEPENDENCIES_MAX} dependencies at most")
    try:
        return [parse(given) for given in jobspec.dependencies]
    except FormatError as error:
        raise RpcError(errno.EINVAL, str(error)) from None
