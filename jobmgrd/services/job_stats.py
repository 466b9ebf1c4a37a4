"""job-list.job-stats: how many jobs are in each state, and how those that ended did, by queue.

Active jobs are counted when asked; of inactive ones the store keeps the numbers, so that the
answer costs the same however long the history is.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from jobmgrd.call import Call, Empty
from jobmgrd.engine import Engine
from jobmgrd.router import Route
from jobmgrd.store.port import Count, Store
from protocol.job import Result, State
from protocol.job_list import QueueStats, StatsReply


class JobStats:
    """Counts by state, result and queue."""

    def __init__(self, engine: Engine, store: Store) -> None:
        self._engine = engine
        self._store = store

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [Route("job-list.job-stats", Empty, self.job_stats)]

    async def job_stats(self, _call: Call, _request: Empty) -> StatsReply:
        """All jobs, then those of each queue that has any or had any."""
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
