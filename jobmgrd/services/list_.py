"""job-manager.list: the active jobs as the job manager has them (list.c)."""

import errno
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from jobmgrd.call import Call
from jobmgrd.engine import Engine
from jobmgrd.jobs.attributes import attributes
from jobmgrd.jobs.job import Job
from jobmgrd.routes import Route, Scope
from protocol.errors import RpcError
from protocol.job import State
from protocol.job_manager import ListReply, ListRequest


class List:
    """What is in memory, as it is: job-list is what people read.

    Args:
        engine: has the active jobs.
        zombies: gives the waitable jobs that have ended and that nobody waited for, as `describe`.
    """

    def __init__(self, engine: Engine, zombies: Callable[[], Iterable[Mapping[str, Any]]]) -> None:
        self._engine = engine
        self._zombies = zombies

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [Route("job-manager.list", ListRequest, self.list, scope=Scope.TOTALS)]

    def list(self, _call: Call, request: ListRequest) -> ListReply:
        """Those that wait for resources in their order, then the other active ones, then zombies.

        Zombies are beyond `max_entries`, as in Flux.
        """
        if request.max_entries < 0:
            raise RpcError(errno.EPROTO, "max_entries must not be negative")
        jobs = sorted(
            (job for job in self._engine.jobs.values() if job.state is not State.INACTIVE),
            key=_order,
        )
        shown = jobs[: request.max_entries] if request.max_entries else jobs
        return ListReply([*map(describe, shown), *self._zombies()])


def _order(job: Job) -> tuple[bool, int, int]:
    waits = job.state is State.SCHED
    return not waits, -job.priority if waits else 0, job.id


def describe(job: Job) -> Mapping[str, Any]:
    """What this list says of a job."""
    return {**attributes(job, _ATTRIBUTES), "priority": job.priority}


_ATTRIBUTES: Final = ("userid", "urgency", "t_submit", "state", "annotations")
