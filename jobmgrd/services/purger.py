"""A batch of a purge, from the choice of its jobs to its announcement.

A crash between any two steps loses nothing:

    choose -> archive is durable -> one transaction: choose again, of those archived -> announce

The second choice is the one that counts: it is made inside the transaction, so that any number of
purgers at once stay exact. Without an archive the first two steps fall away.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Final

from msgspec import Struct

from jobmgrd.archive.port import Archive
from jobmgrd.archive.record import archived
from jobmgrd.jobs.retention import Candidate, History
from jobmgrd.services.purge_log import PurgeLog
from jobmgrd.store.port import Decide, InactiveRow, PurgeRecord, Store

STREAMS_AT_ONCE: Final = 16 << 20
"""Bytes of output in memory at the same time, on their way to the archive."""


class Batch(Struct, frozen=True):
    """A committed batch, and what it was decided by."""

    record: PurgeRecord
    jobs: Sequence[Candidate]
    rows: Mapping[int, InactiveRow]
    counts: Mapping[int, int]


class Purger:
    """Purges batches, for requests and heartbeats alike."""

    def __init__(
        self,
        store: Store,
        archive: Archive | None,
        purge_log: PurgeLog,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._archive = archive
        self._log = purge_log
        self._clock = clock
        self.last = 0.0
        """UNIX time of the last batch that this daemon purged; 0.0: none yet."""

    async def purge(
        self, choose: Decide, reason: str, userid: int, *, rows: bool = False
    ) -> Batch | None:
        """Purge one batch and announce it; None if nothing was chosen.

        Args:
            choose: which jobs; may be asked more than once.
            reason: what the purge log and the event say.
            userid: who wants it.
            rows: give the rows that went with the batch.

        Raises:
            StoreError, ArchiveError: nothing was purged.
        """
        if self._archive is None and not rows:
            return await self._commit(choose, reason, userid, {})
        while chosen := await self._store.inspect(choose):
            ids = [job.id for job in chosen]
            found = {row.id: row for row in await self._store.rows(ids)}
            await self._keep(list(found.values()))
            decide = partial(_only, choose, found)
            batch = await self._commit(decide, reason, userid, found)
            if batch is not None:
                return batch
            # Others were faster and took all of them: look again.
        return None

    async def _keep(self, found: Sequence[InactiveRow]) -> None:
        if self._archive is None or not found:
            return
        now = self._clock()
        rows = sorted(found, key=attrgetter("id"))
        while rows:
            streams = await self._store.streams([row.id for row in rows], STREAMS_AT_ONCE)
            count = len(streams)
            await self._archive.put([archived(row, streams[row.id], now) for row in rows[:count]])
            rows = rows[count:]

    async def _commit(
        self, decide: Decide, reason: str, userid: int, found: Mapping[int, InactiveRow]
    ) -> Batch | None:
        now = self._clock()
        jobs: list[Candidate] = []
        counts: dict[int, int] = {}

        def decide_and_note(history: History) -> Sequence[Candidate]:
            jobs[:] = decide(history)
            if found:
                counts.update(history.counts())
            return jobs

        record = await self._store.purge(decide_and_note, now=now, reason=reason, userid=userid)
        if record is None:
            return None
        self.last = now
        self._log.announce(record)
        return Batch(record, jobs, found, counts)


def _only(
    choose: Decide, found: Mapping[int, InactiveRow], history: History
) -> Sequence[Candidate]:
    return [job for job in choose(history) if job.id in found]
