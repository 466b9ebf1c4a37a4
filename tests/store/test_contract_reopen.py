"""What every store promises over a restart, and of records that could not be replayed."""

from collections.abc import Callable

from jobmgrd.jobs.retention import HELD, Limits
from jobmgrd.store.port import (
    Changes,
    InactiveRow,
    Orphan,
    OutputRow,
    Pin,
    Store,
    Streams,
)
from tests.store.sample import Clock, active, ended, purge, these


class TestReopen:
    """A restart of the daemon."""

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

    async def test_pins_come_back(self, make: Callable[[], Store]) -> None:
        """The last that was said of each job, in the order of ids."""
        store = make()
        await store.open()
        old, new, other = (
            Pin(1, "old", 0.0, 7, 1.5),
            Pin(1, "new", 9.5, 7, 2.5),
            Pin(2, "", 0, 0, 0),
        )
        store.write(Changes(pins={3: other, 2: other, 1: old}))
        await store.write(Changes(pins={1: new, 3: None, 4: None}))
        await store.close()
        store = make()
        assert (await store.open()).pins == [new, other]
        await store.close()

    async def test_a_history_keeps_its_epoch(self, make: Callable[[], Store]) -> None:
        """And it is no value of the engine's."""
        store = make()
        first = await store.open()
        assert first.epoch
        assert first.meta == {}
        await store.write(Changes(meta={"k": b"v"}))
        await store.close()
        store = make()
        again = await store.open()
        assert again.epoch == first.epoch
        assert again.meta == {"k": b"v"}
        await store.close()

    async def test_a_record_put_aside_is_neither_active_nor_inactive(
        self, make: Callable[[], Store]
    ) -> None:
        """It is kept as it was found, with the reason, and its id is not given out again."""
        store = make()
        await store.open()
        await store.write(Changes(active=[active(1), active(8, b"garbage")]))
        orphan = Orphan(active(8, b"garbage"), "not an eventlog", 3.5)
        await store.write(Changes(orphans=[orphan, orphan]))
        await store.close()
        store = make()
        recovered = await store.open()
        assert recovered.active == [active(1)]
        assert recovered.max_jobid == 8
        assert await store.orphans() == [orphan]
        assert (store.stats().orphans, store.stats().inactive) == (1, 0)
        assert await store.find(8) is None
        await store.close()

    async def test_an_erased_id_is_not_given_out_again(
        self, make: Callable[[], Store], clock: Clock
    ) -> None:
        """Neither that of an orphan, nor that of a job whose tombstone is gone."""
        store = make()
        await store.open()
        await store.write(Changes(orphans=[Orphan(active(20), "", 0.0)], ended=[ended(30)]))
        assert await store.drop_orphans([20]) == 1
        await purge(store, these(30), now=0)
        clock.t = 10
        store.limit_tombstones(Limits(num=0))
        await store.write(Changes(ended=[ended(5)]))
        await purge(store, these(5), now=10)
        assert await store.find(30) is None
        await store.close()
        store = make()
        assert (await store.open()).max_jobid == 30
        assert store.stats().tombstones == 0
        await store.close()


class TestOrphans:
    """Records that were put aside."""

    async def test_they_are_erased_with_their_output(self, store: Store) -> None:
        """Those named that are orphans; an active job that is named keeps its output."""
        orphans = [Orphan(active(n), f"why {n}", 1.0) for n in (1, 2, 3)]
        output = [OutputRow(n, b"x") for n in (1, 3, 4)]
        store.write(Changes(active=[active(n) for n in (1, 2, 3, 4)], output=output))
        store.write(Changes(orphans=orphans))
        assert await store.drop_orphans([4, 3, 1, 3, 99]) == 2
        assert await store.orphans() == [orphans[1]]
        assert store.stats().orphans == 1
        assert await store.streams([1, 3, 4], 100) == {1: Streams(), 3: Streams(), 4: Streams(b"x")}
