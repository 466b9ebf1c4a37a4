"""What every store promises, whatever keeps its jobs."""

import asyncio
import errno
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from jobmgrd.jobs import retention
from jobmgrd.jobs.retention import HELD, Candidate, History, Limits, Policy
from jobmgrd.store.memory import MemoryStore
from jobmgrd.store.port import (
    Changes,
    Decide,
    InactiveRow,
    OutputRow,
    PurgeRecord,
    Store,
    StoreError,
    Tombstone,
    Total,
)
from jobmgrd.store.sqlite import SqliteStore
from tests.store.sample import active, db_path, ended

DAY = 86400.0


def keep(num: int, batch: int = 100) -> Decide:
    """The decision to keep this many jobs."""
    return partial(retention.select, policy=Policy(Limits(num=num)), now=0.0, batch=batch)


def these(*ids: int) -> Decide:
    """The decision to purge these jobs."""
    return lambda history: history.find(ids)


async def purge(store: Store, decide: Decide, now: float = 50.0) -> PurgeRecord | None:
    """Purge as the owner, for a test."""
    return await store.purge(decide, now=now, reason="test", userid=1000)


class TestWrite:
    """Active and ended jobs, output and meta."""

    async def test_an_ended_job_is_found_as_it_was_written(self, store: Store) -> None:
        """All columns come back, and the job is no longer active."""
        await store.write(Changes(active=[active(7)]))
        row = ended(7, 123.456789, 3, result=2, queue="batch")
        await store.write(Changes(ended=[row]))
        assert await store.find(7) == row

    async def test_an_active_job_is_not_found_in_history(self, store: Store) -> None:
        """History answers for inactive and purged jobs only."""
        await store.write(Changes(active=[active(7)]))
        assert await store.find(7) is None

    @pytest.mark.parametrize("id", [0, 8, 2**63, 2**64 - 1, -1])
    async def test_an_id_that_was_never_kept_is_none(self, store: Store, id: int) -> None:
        """Any number may be asked for, also those that no column can hold."""
        await store.write(Changes(ended=[ended(7)]))
        assert await store.find(id) is None
        assert await store.output(id) == b""
        assert await store.inspect(lambda history: history.find([id])) == []

    async def test_a_question_sees_the_writes_asked_before_it(self, store: Store) -> None:
        """A read need not be preceded by waiting for the writes it depends on."""
        futures = [store.write(Changes(ended=[ended(n)])) for n in range(1, 50)]
        assert isinstance(await store.find(49), InactiveRow)
        assert all(future.done() for future in futures)

    async def test_output_is_joined_in_the_order_written(self, store: Store) -> None:
        """Output of one job in one commit, in several, and of another job do not mix."""
        await store.write(Changes(output=[OutputRow(1, b"a"), OutputRow(2, b"x")]))
        store.write(Changes(output=[OutputRow(1, b"b"), OutputRow(1, b"c")]))
        store.write(Changes(output=[OutputRow(1, b"d")]))
        assert await store.output(1) == b"abcd"
        assert await store.output(2) == b"x"

    async def test_a_job_ends_once(self, store: Store) -> None:
        """The second end is refused and counts nothing, alone or beside good changes."""
        results = await asyncio.gather(
            store.write(Changes(ended=[ended(1)])),
            store.write(Changes(ended=[ended(1, result=2)], meta={"lost": b"1"})),
            store.write(Changes(ended=[ended(2)])),
            return_exceptions=True,
        )
        assert [type(result) for result in results] == [type(None), StoreError, type(None)]
        assert isinstance(results[1], StoreError)
        assert results[1].errnum == errno.EEXIST
        assert store.stats().inactive == 2
        assert await store.totals() == [Total(0, "", 1, 2)]

    async def test_a_closed_store_refuses(self, store: Store) -> None:
        """Every kind of call is answered with ESHUTDOWN, and close may be repeated."""
        await store.close()
        await store.close()
        for call in (store.write(Changes()), store.find(1), purge(store, keep(0))):
            with pytest.raises(StoreError) as error:
                await call
            assert error.value.errnum == errno.ESHUTDOWN


class TestHistory:
    """What decisions may ask, and pages of what ended last."""

    @pytest.fixture(autouse=True)
    async def jobs(self, store: Store) -> None:
        """Two classes, a held job, and three jobs that ended at the same instant."""
        rows = [ended(1, 30), ended(5, 10), ended(3, 10), ended(4, 10, 1), ended(2, 5, HELD)]
        await store.write(Changes(ended=rows))

    async def test_oldest_come_by_time_then_id(self, store: Store) -> None:
        """Ties go by the smaller id; a limit cuts."""
        assert await store.inspect(lambda h: h.oldest(0, 2)) == [
            Candidate(10, 3, 0),
            Candidate(10, 5, 0),
        ]

    async def test_held_jobs_are_counted_nowhere_but_found(self, store: Store) -> None:
        """Class -1 is out of every decision's reach; only stats and find know it."""
        assert await store.inspect(lambda h: dict(h.counts())) == {0: 3, 1: 1}
        assert await store.inspect(lambda h: h.find([2])) == [Candidate(5, 2, HELD)]
        assert store.stats().held == 1
        assert store.stats().inactive == 5

    @pytest.mark.parametrize(("t", "count"), [(5, 0), (10, 0), (10.5, 2), (99, 3)])
    async def test_count_before_is_strict(self, store: Store, t: float, count: int) -> None:
        """A job that ended at that very time is not before it."""
        assert await store.inspect(lambda h: h.count_before(0, t)) == count

    async def test_an_exception_of_the_question_is_its_callers(self, store: Store) -> None:
        """A question that fails harms no later one."""

        def question(_: History) -> None:
            raise LookupError

        with pytest.raises(LookupError):
            await store.inspect(question)
        assert await store.inspect(lambda h: h.counts()[0]) == 3

    async def test_pages_of_recent_jobs_have_no_gap_and_no_repeat(self, store: Store) -> None:
        """The last row of a page begins the next, also among jobs of the same instant."""
        seen: list[int] = []
        page: Sequence[InactiveRow] = await store.recent(2)
        while page:
            seen += [row.id for row in page]
            page = await store.recent(2, page[-1].t_clean, page[-1].id)
        assert seen == [1, 5, 4, 3, 2]

    async def test_recent_before_a_time_is_strict(self, store: Store) -> None:
        """Without an id, jobs of that very time are left out."""
        assert [row.id for row in await store.recent(9, 10)] == [2]

    async def test_a_job_moves_to_another_class(self, store: Store) -> None:
        """Pinning takes a job out of reach and counts it as held; unknown ids are passed over."""
        await store.write(Changes(rules={3: HELD, 4: 0, 99: 0, 5: 0}))
        assert await store.inspect(lambda h: dict(h.counts())) == {0: 3}
        assert await store.inspect(lambda h: [j.id for j in h.oldest(0, 9)]) == [4, 5, 1]
        assert store.stats().held == 2
        row = await store.find(3)
        assert isinstance(row, InactiveRow)
        assert row.rule == HELD


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
        await store.write(Changes(ended=[ended(1, result=2)], output=[OutputRow(1, b"x")]))
        record = await purge(store, keep(0))
        assert record == PurgeRecord(1, 50.0, (1,), "test", 1000)
        assert await store.find(1) == Tombstone(1, 1, 50.0, "test", 2, 1.0)
        assert await store.output(1) == b""
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
        """A stale list, or one that names a job twice, purges each job once."""
        await store.write(Changes(ended=[ended(1), ended(2)]))
        stale = [Candidate(1, 1, 0), Candidate(2, 2, 0), Candidate(2, 2, 0)]
        assert await purge(store, these(1))
        record = await purge(store, lambda _: stale)
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


class TestTotals:
    """Jobs that ever ended."""

    async def test_they_are_kept_by_day_queue_and_result(self, store: Store) -> None:
        """A day begins at midnight UTC, of the job's end."""
        rows = [
            ended(1, DAY - 1, queue="batch"),
            ended(2, DAY, queue="batch"),
            ended(3, DAY + 1, queue="batch"),
            ended(4, DAY, queue="batch", result=2),
            ended(5, DAY),
        ]
        await store.write(Changes(ended=rows))
        assert await store.totals() == [
            Total(0, "batch", 1, 1),
            Total(1, "", 1, 1),
            Total(1, "batch", 1, 2),
            Total(1, "batch", 2, 1),
        ]


class TestReopen:
    """A restart of the daemon."""

    @pytest.fixture(params=["memory", "sqlite"])
    def make(self, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
        """Makes the store again as a new process would."""
        if request.param == "sqlite":
            return lambda: SqliteStore(db_path(tmp_path))
        memory = MemoryStore()
        return lambda: memory

    async def test_it_goes_on_where_it_was(self, make: Callable[[], Store]) -> None:
        """Active jobs, meta, history and counters are there again."""
        store = make()
        await store.open()
        store.write(Changes(active=[active(1, b"a"), active(2), active(3)], meta={"k": b"old"}))
        store.write(Changes(active=[active(1, b"ab")], ended=[ended(2)], meta={"k": b"v"}))
        store.write(Changes(ended=[ended(4, rule=HELD)]))
        before = store.stats()
        await store.close()
        store = make()
        recovered = await store.open()
        assert recovered.active == [active(1, b"ab"), active(3)]
        assert recovered.meta == {"k": b"v"}
        assert recovered.max_jobid == 4
        assert isinstance(await store.find(2), InactiveRow)
        assert (store.stats().inactive, store.stats().held) == (2, 1)
        assert before.inactive <= 2
        await store.close()

    async def test_max_jobid_outlives_the_purge_of_the_newest_job(
        self, make: Callable[[], Store]
    ) -> None:
        """An id that was ever kept is never given out again."""
        store = make()
        await store.open()
        await store.write(Changes(ended=[ended(2**60), ended(5)]))
        assert await purge(store, these(2**60))
        await store.close()
        store = make()
        assert (await store.open()).max_jobid == 2**60
        assert (await purge(store, these(5))).seq == 2  # type: ignore[union-attr]
        await store.close()

    async def test_records_that_were_not_announced_come_back(
        self, make: Callable[[], Store]
    ) -> None:
        """Those after the last published seq, whole and in order."""
        store = make()
        await store.open()
        await store.write(Changes(ended=[ended(n) for n in range(1, 4)]))
        records = [await purge(store, these(n)) for n in range(1, 4)]
        await store.write(Changes(published=1))
        await store.close()
        store = make()
        assert (await store.open()).unpublished == records[1:]
        await store.close()
