"""job-list.job-stats: how many jobs are in each state, and how those that ended did, by queue.

Active jobs are counted when asked; of inactive ones the store keeps the numbers, so that the
answer costs the same however long the history is. A stream gets them again when they changed, at
most every DELAY seconds (job-list/stats.c).
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from jobmgrd.call import Call, Empty, Stream
from jobmgrd.commits import Committed
from jobmgrd.engine import Engine
from jobmgrd.flow import Flow
from jobmgrd.router import Router, cancel_route
from jobmgrd.routes import Route, Scope
from jobmgrd.store.port import Count, Store
from protocol import payload
from protocol.events import PurgeEvent
from protocol.job import Result, State
from protocol.job_list import QueueStats, StatsReply

TOPIC: Final = "job-list.job-stats"
DELAY: Final = 0.2
"""Seconds from a change to the counts that a stream is sent: many changes are one."""


class JobStats:
    """Counts by state, result and queue."""

    def __init__(self, engine: Engine, store: Store, router: Router) -> None:
        self._engine = engine
        self._store = store
        self._router = router
        self._watchers: dict[Stream, asyncio.Event] = {}

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route(TOPIC, Empty, self.job_stats, streaming=None, scope=Scope.TOTALS),
            cancel_route(TOPIC, self._router),
        ]

    def job_stats(self, call: Call, _request: Empty) -> Coroutine[Any, Any, StatsReply | None]:
        """All jobs, then those of each queue that has any or had any."""
        return self._watch(call) if isinstance(call, Stream) else self.count()

    def purged(self, _event: PurgeEvent) -> None:
        """Take in that jobs were purged."""
        self._changed()

    def committed(self, _batch: Sequence[Committed]) -> None:
        """See Listener."""
        self._changed()

    def _changed(self) -> None:
        for ready in self._watchers.values():
            ready.set()

    async def _watch(self, stream: Stream) -> None:
        flow, ready = Flow(stream), asyncio.Event()
        self._watchers[stream] = ready
        stream.on_close = partial(self._forget, stream)
        while stream.open:
            ready.clear()
            await flow.send(payload.encode(await self.count(), stream.format))
            await ready.wait()
            await asyncio.sleep(DELAY)

    def _forget(self, stream: Stream) -> None:
        self._watchers.pop(stream).set()

    async def count(self) -> StatsReply:
        """The counts of now."""
        counts = await self._store.counts()
        jobs = self._engine.jobs.values()
        active = Counter((job.jobspec.queue, job.state) for job in jobs if job.committed)
        queues = {queue for queue, _ in active} | {count.queue for count in counts}
        return StatsReply(
            **_stats(active, counts),
            queues=[
                QueueStats(
                    **_stats(
                        {key: n for key, n in active.items() if key[0] == queue},
                        [count for count in counts if count.queue == queue],
                    ),
                    name=queue,
                )
                for queue in sorted(queues - {""})
            ],
        )


def _stats(active: Mapping[tuple[str, State], int], counts: Sequence[Count]) -> dict[str, Any]:
    """The keys that all queues together and each of them have."""
    states: Counter[State] = Counter()
    for (_queue, state), n in active.items():
        states[state] += n
    kept: Counter[int] = Counter()
    ended: Counter[int] = Counter()
    for count in counts:
        kept[count.result] += count.kept
        ended[count.result] += count.ended
    states[State.INACTIVE] = kept.total()
    by_state = {state.name.lower(): states[state] for state in _STATES if state.name}
    return {
        "job_states": by_state | {"total": sum(by_state.values())},
        "successful": kept[Result.COMPLETED],
        "failed": kept[Result.FAILED],
        "canceled": kept[Result.CANCELED],
        "timeout": kept[Result.TIMEOUT],
        "inactive_purged": ended.total() - kept.total(),
        "totals": {result.name.lower(): ended[result] for result in Result},
    }


_STATES: Final = (
    State.DEPEND,
    State.PRIORITY,
    State.SCHED,
    State.RUN,
    State.CLEANUP,
    State.INACTIVE,
)
