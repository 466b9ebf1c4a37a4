"""What every store promises of purges, and of the tombstones that they leave."""

import asyncio
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from jobmgrd.jobs.retention import HELD, Candidate, History, Limits
from jobmgrd.store.port import (
    Changes,
    OutputRow,
    PurgeRecord,
    Store,
    Tombstone,
    Total,
)
from tests.store.sample import Clock, ended, keep, purge, these


class TestPurge:
    """Rows go, tombstones and records stay."""

    async def test_nothing_chosen_leaves_no_trace(self, store: Store) -> None:
        """No record, no seq, no commit to announce."""
        await store.write(Changes(ended=[ended(1)]))
        assert await purge(store, keep(1)) is None
        assert await purge(store, these(99)) is None
        assert store.stats().purge_seq == 0

    async def test_a_purged_job_leaves_a_tombstone_that_says_when_and_why(
        self, store: Store
    ) -> None:
        """Rows and output are gone, the totals are not."""
        row = replace(ended(1, result=2), fate=7)
        output, given = [OutputRow(1, b"x")], [OutputRow(1, b"y")]
        await store.write(Changes(ended=[row], output=output, input=given))
        assert await store.find(1) == row
        record = await purge(store, keep(0))
        assert record == PurgeRecord(1, 50.0, (1,), "test", 1000)
        assert await store.find(1) == Tombstone(1, 1, 50.0, "test", 2, 1.0, 1000, 7)
        assert (await store.output(1), await store.input(1)) == (b"", b"")
        assert await store.recent(9) == []
        assert await store.totals() == [Total(0, "", 2, 1)]
        stats = store.stats()
        assert (stats.inactive, stats.purged, stats.purge_seq) == (0, 1, 1)

    async def test_the_oldest_go_first(self, store: Store) -> None:
        """A record lists its jobs in the order they were chosen."""
        await store.write(Changes(ended=[ended(1, 9), ended(2, 7), ended(3, 8)]))
        record = await purge(store, keep(1))
        assert record
        assert record.jobs == (2, 3)

    async def test_an_exception_of_decide_is_its_callers(self, store: Store) -> None:
        """Others in the same group get their own results, and nothing is purged for it."""

        def broken(_: History) -> Sequence[Candidate]:
            raise LookupError("mine")

        store.write(Changes(ended=[ended(1), ended(2)]))
        results = await asyncio.gather(
            purge(store, broken), purge(store, these(1)), return_exceptions=True
        )
        assert isinstance(results[0], LookupError)
        assert isinstance(results[1], PurgeRecord)
        assert store.stats().inactive == 1

    async def test_candidates_that_went_meanwhile_are_passed_over(self, store: Store) -> None:
        """A list with a stale one, which names another twice, purges that one once."""
        await store.write(Changes(ended=[ended(1), ended(2)]))
        assert await purge(store, these(1))
        record = await purge(store, lambda h: [Candidate(1, 1, 0), *h.find([2]), *h.find([2])])
        assert record
        assert record.jobs == (2,)
        assert store.stats().purged == 2
        assert await store.inspect(lambda h: dict(h.counts())) == {}

    async def test_a_held_job_goes_when_it_is_named(self, store: Store) -> None:
        """Whether that is allowed is for the decision to say; the counters stay right."""
        await store.write(Changes(ended=[ended(1, rule=HELD)]))
        assert await purge(store, keep(0)) is None
        assert await purge(store, these(1))
        assert (store.stats().held, store.stats().inactive) == (0, 0)

    async def test_any_number_of_purgers_is_exact(self, store: Store) -> None:
        """Ten purgers beside a writer: each job goes once, seq has no gap, the limit holds."""
        await store.write(Changes(ended=[ended(n) for n in range(1, 301)]))
        records: list[PurgeRecord] = []

        async def purger() -> None:
            while record := await purge(store, keep(40, batch=7)):
                records.append(record)

        async def writer() -> None:
            for n in range(301, 401):
                await store.write(Changes(ended=[ended(n)]))

        await asyncio.gather(writer(), *(purger() for _ in range(10)))
        await purger()
        gone = [id for record in records for id in record.jobs]
        assert sorted(gone) == list(range(1, 361))
        assert sorted(record.seq for record in records) == list(range(1, len(records) + 1))
        assert store.stats().inactive == 40
        assert await store.inspect(lambda h: dict(h.counts())) == {0: 40}

    async def test_the_log_is_read_from_a_seq_on(self, store: Store) -> None:
        """Records come in order, after the one named, at most as many as asked."""
        await store.write(Changes(ended=[ended(n) for n in range(1, 6)]))
        records = [await purge(store, these(n)) for n in range(1, 6)]
        assert await store.purge_log(0, 9) == records
        assert await store.purge_log(2, 2) == records[2:4]
        assert await store.purge_log(5, 9) == []


class TestTombstones:
    """What is left of purged jobs, and for how long."""

    @pytest.fixture(autouse=True)
    async def purges(self, store: Store) -> None:
        """Ten jobs, purged two at a time at the times 0, 10 ... 40."""
        await store.write(Changes(ended=[ended(n) for n in range(1, 13)]))
        for n in range(5):
            await purge(store, these(2 * n + 1, 2 * n + 2), now=10.0 * n)

    async def left(self, store: Store) -> list[int]:
        """The jobs that are known to have been purged."""
        known = [id for id in range(1, 13) if isinstance(await store.find(id), Tombstone)]
        assert store.stats().tombstones == len(known)
        return known

    async def test_they_stay_without_limits(self, store: Store) -> None:
        """All of them."""
        assert await self.left(store) == list(range(1, 11))

    async def test_so_many_stay_as_the_number_says(self, store: Store) -> None:
        """Along with the next purge the oldest go, and are unknown; the log and totals are not."""
        store.limit_tombstones(Limits(num=4))
        await purge(store, these(11), now=50)
        assert await self.left(store) == [8, 9, 10, 11]
        await purge(store, these(12), now=50)
        assert await self.left(store) == [9, 10, 11, 12]
        assert store.stats().purged == 12
        assert [record.seq for record in await store.purge_log(0, 99)] == list(range(1, 8))
        assert store.stats().purge_log_from == 1
        assert await store.totals() == [Total(0, "", 1, 12)]

    async def test_they_stay_as_long_as_the_age_says(self, store: Store, clock: Clock) -> None:
        """Counted from the purge: those strictly older go."""
        clock.t = 50
        store.limit_tombstones(Limits(age=20))
        await purge(store, these(11), now=50)
        assert await self.left(store) == [7, 8, 9, 10, 11]

    async def test_either_limit_is_enough(self, store: Store, clock: Clock) -> None:
        """As for jobs."""
        clock.t = 50
        store.limit_tombstones(Limits(age=20, num=2))
        await purge(store, these(11), now=50)
        assert await self.left(store) == [10, 11]
        store.limit_tombstones(Limits(age=0))
        clock.t = 51
        await purge(store, these(12), now=51)
        assert await self.left(store) == [12]
