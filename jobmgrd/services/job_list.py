"""job-list: jobs with their attributes, active ones from memory, inactive ones from the store."""

import errno
from collections.abc import Iterable, Sequence
from typing import Final

from jobmgrd.engine import Engine
from jobmgrd.jobs.attributes import ATTRIBUTES, attributes, check_names
from jobmgrd.jobs.job import Job
from jobmgrd.router import Call, Empty, Route
from jobmgrd.store import rows
from jobmgrd.store.port import Store
from protocol.errors import RpcError
from protocol.job import State
from protocol.job_list import AttrsReply, ListReply, ListRequest

ALL: Final = "all"


class JobList:
    """Pending jobs by priority, running ones by start, inactive ones by end, the last first."""

    def __init__(self, engine: Engine, store: Store) -> None:
        self._engine = engine
        self._store = store

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("job-list.list", ListRequest, self.list),
            Route("job-list.list-attrs", Empty, self.list_attrs),
        ]

    def list_attrs(self, _call: Call, _request: Empty) -> AttrsReply:
        """The names of all attributes."""
        return AttrsReply([*ATTRIBUTES, ALL])

    async def list(self, _call: Call, request: ListRequest) -> ListReply:
        """The jobs in the states asked for, at most `max_entries` of them (0: all)."""
        if request.max_entries < 0:
            raise RpcError(errno.EPROTO, "max_entries must be >= 0")
        names = _names(request.attrs)
        limit = request.max_entries or (1 << 31)
        jobs = self._active(State(request.states))[:limit]
        found = [attributes(job, names) for job in jobs]
        if request.states & State.INACTIVE and len(found) < limit:
            kept = await self._store.recent(limit - len(found))
            found += [attributes(rows.replay(row), names) for row in kept]
        return ListReply(found)

    def _active(self, states: State) -> Sequence[Job]:
        jobs = self._engine.jobs.values()
        pending = [job for job in jobs if job.state & states & State.PENDING]
        running = [job for job in jobs if job.state & states & State.RUNNING]
        pending.sort(key=lambda job: (-job.priority, job.id))
        running.sort(key=lambda job: -job.t_run)
        return pending + running


def _names(attrs: Sequence[str]) -> Sequence[str]:
    if ALL in attrs:
        return list(ATTRIBUTES)
    check_names(attrs)
    return attrs
