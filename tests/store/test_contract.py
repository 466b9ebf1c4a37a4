"""What every store promises of writing and reading, whatever keeps its jobs."""

import asyncio
import errno
from collections.abc import Sequence

import pytest
from msgspec import structs

from jobmgrd.jobs.retention import HELD, Candidate, History
from jobmgrd.store.port import (
    Changes,
    InactiveRow,
    OutputRow,
    Store,
    StoreError,
    Streams,
    Total,
)
from tests.store.sample import active, ended, keep, purge, these

DAY = 86400.0
SUBMITTED = [(12, 50.0, 5), (13, 10.0, 8), (14, 40.0, 5), (16, 20.0, 5), (17, 30.0, 5)]
"""Id, t_clean and userid of some jobs."""


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

    async def test_many_jobs_are_read_at_once(self, store: Store) -> None:
        """Rows of those that are inactive, output of those that have any."""
        rows = [ended(n) for n in (1, 2, 3)]
        store.write(Changes(active=[active(9)], ended=rows))
        store.write(Changes(output=[OutputRow(2, b"a"), OutputRow(9, b"x"), OutputRow(2, b"b")]))
        await purge(store, these(3))
        ids = [9, 3, 2, 1, 77, 2**64, -1, 2]
        assert sorted(await store.rows(ids), key=lambda row: row.id) == rows[:2]
        assert await store.streams([1, 2, 9], 100) == {
            1: Streams(),
            2: Streams(b"ab"),
            9: Streams(b"x"),
        }
        assert (await store.rows([]), await store.streams([], 100)) == ([], {})

    async def test_input_is_kept_beside_the_output(self, store: Store) -> None:
        """In the order written, whichever comes first; none of it is output."""
        await store.write(Changes(active=[active(3)], input=[OutputRow(3, b"a")]))
        store.write(Changes(output=[OutputRow(3, b"x")], input=[OutputRow(3, b"b")]))
        store.write(Changes(output=[OutputRow(3, b"y")]))
        await store.write(Changes(input=[OutputRow(3, b"c"), OutputRow(3, b"d")]))
        assert (await store.input(3), await store.output(3)) == (b"abcd", b"xy")
        assert await store.streams([3], 100) == {3: Streams(b"xy", b"abcd")}
        assert (await store.input(4), await store.input(2**64)) == (b"", b"")

    async def test_of_many_outputs_as_many_are_read_as_fit(self, store: Store) -> None:
        """The first ones, as bytes allow; one that is larger than that comes alone."""
        for id in (2, 3, 5):
            store.write(Changes(output=[OutputRow(id, b"1234"), OutputRow(id, b"5")]))
        assert list(await store.streams([1, 2, 3, 4, 5, 6], 10)) == [1, 2, 3, 4]
        assert list(await store.streams([1, 2, 3], 4)) == [1]
        assert await store.streams([2, 3], 4) == {2: Streams(b"12345")}

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

    @pytest.mark.parametrize(("t", "id", "place"), [(10, 3, 0), (10, 4, 1), (10, 5, 1), (30, 1, 2)])
    async def test_a_position_is_by_time_then_id(
        self, store: Store, t: float, id: int, place: int
    ) -> None:
        """How many of the class go first; the job need not be there."""
        assert await store.inspect(lambda h: h.position(Candidate(t, id, 0))) == place

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

    async def test_a_users_jobs_are_told_by_id_the_highest_first(self, store: Store) -> None:
        """Whenever they ended; those of others and those that were purged are left out."""
        rows = [structs.replace(ended(id, t), userid=userid) for id, t, userid in SUBMITTED]
        await store.write(Changes(ended=rows))
        await purge(store, these(16))
        assert await store.submitted(5, 2) == [17, 14]
        assert await store.submitted(5, 2**62) == [17, 14, 12]
        assert await store.submitted(9, 1) == []

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
