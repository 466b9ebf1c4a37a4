"""job-manager.totals, orphans: numbers that never go down, and records that were put aside."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import asdict

from jobmgrd.call import Call, Empty
from jobmgrd.commits import Committed
from jobmgrd.routes import OWNER, Route, Scope
from jobmgrd.store.port import Store, Total
from protocol.job import Result
from protocol.retention import OrphanReply, OrphansReply, TotalsReply


class Totals:
    """The jobs that ever ended, by result and by queue, kept over purges and restarts."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._results: Counter[int] = Counter()
        self._queues: Counter[str] = Counter()

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("job-manager.totals", Empty, self.totals, scope=Scope.TOTALS),
            Route("job-manager.orphans", Empty, self.orphans, role=OWNER),
        ]

    def begin(self, totals: Sequence[Total]) -> None:
        """Count on from what the store has counted."""
        for total in totals:
            self._results[total.result] += total.n
            self._queues[total.queue] += total.n

    def committed(self, batch: Sequence[Committed]) -> None:
        """See Listener."""
        for item in batch:
            if item.last:
                self._results[int(item.job.result)] += 1
                self._queues[item.job.jobspec.queue] += 1

    def stats(self) -> Mapping[str, Any]:
        """For stats-get: the jobs that ever ended, by result and by queue."""
        results = {result.name.lower(): self._results[int(result)] for result in Result}
        return {"ended": self._results.total(), **results, "queues": dict(self._queues)}

    async def totals(self, _call: Call, _request: Empty) -> TotalsReply:
        """By UTC day (days since 1970-01-01), queue and result."""
        return TotalsReply([asdict(total) for total in await self._store.totals()])

    async def orphans(self, _call: Call, _request: Empty) -> OrphansReply:
        """The records that could not be replayed."""
        return OrphansReply(
            [OrphanReply(o.row.id, o.reason, o.t) for o in await self._store.orphans()]
        )
