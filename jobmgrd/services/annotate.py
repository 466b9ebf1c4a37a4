"""Annotations: why pending jobs wait, and when the next of them can start (annotate.c).

They are made when somebody asks for them, and at each heartbeat while the journal is listened to,
if anything changed that they depend on. They are not kept: after a restart they are made anew.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from jobmgrd.engine import Engine
from jobmgrd.jobs.backfill import DEPTH
from jobmgrd.jobs.job import Job

ASIDE_MAX: Final = 1024
"""Of so many jobs in stopped queues it is said that they are."""

_NO_ROOM: Final = "insufficient resources"
_DRAINED: Final = "insufficient resources: nodes are drained"


class Annotate:
    """Which jobs were annotated last, and how things were then.

    Args:
        engine: has the pending jobs.
        tell: is given the jobs whose annotations are different now.
    """

    def __init__(self, engine: Engine, tell: Callable[[Sequence[Job]], None]) -> None:
        self._engine = engine
        self._tell = tell
        self._annotated: dict[int, Job] = {}
        self._version = (-1, -1)

    def refresh(self) -> None:
        """Have the first jobs of each lane, and those of stopped queues, say why they wait."""
        engine = self._engine
        version = (engine.allocator.pending.version, engine.allocator.scheduler.version)
        if version == self._version:
            return
        self._version = version
        before, self._annotated = self._annotated, {}
        changed = []
        for job, sched in self._now():
            self._annotated[job.id] = job
            if job.sched != sched:
                job.sched = sched
                changed.append(job)
        for id, job in before.items():
            if id not in self._annotated and job.sched is not None:
                job.sched = None
                changed.append(job)
        if changed:
            self._tell(changed)

    def _now(self) -> Iterator[tuple[Job, Mapping[str, Any]]]:
        pending = self._engine.allocator.pending
        for lane in pending.lanes:
            for ahead, job in enumerate(lane.first(DEPTH)):
                sched: dict[str, Any] = {"reason_pending": _NO_ROOM, "jobs_ahead": ahead}
                yield job, sched if ahead else sched | self._estimate(job)
        for job in islice(pending.aside, ASIDE_MAX):
            yield job, {"reason_pending": self._stopped(job)}

    def _estimate(self, head: Job) -> dict[str, Any]:
        found = self._engine.allocator.estimate(head)
        if found.impossible:
            return {"reason_pending": _DRAINED}
        return {} if math.isinf(found.t) else {"t_estimate": found.t}

    def _stopped(self, job: Job) -> str:
        queues, name = self._engine.allocator.queues, job.jobspec.queue
        if name not in queues.switches:
            return f"queue {name or 'without a name'} is not configured"
        reason = queues.status(name).stop_reason
        return f"queue is stopped: {reason}" if reason else "queue is stopped"
