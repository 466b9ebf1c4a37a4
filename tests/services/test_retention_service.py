"""job-manager.pin and retention where they race a purge, on the in-memory store."""

import asyncio
import errno
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, cast

import pytest

from jobmgrd.jobs.retention import Limits
from jobmgrd.jobs.rules import Rule
from jobmgrd.services.holds import Holds
from jobmgrd.services.retention import Retention
from jobmgrd.store.port import Changes, InactiveRow, Pin, Store, StoreError, Tombstone
from tests.services.bench import Bench, Peer


class PurgedMeanwhile:
    """A store whose first answer about a job is overtaken by the job's purge."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._purged = False

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the store has
        return getattr(self._bench.store, name)

    async def find(self, id: int) -> "InactiveRow | Tombstone | None":
        """What the store answers; then the job goes."""
        found = await self._bench.store.find(id)
        if not self._purged:
            self._purged = True
            await self._bench.purge(id)
        return found


class UnreadableOnce:
    """A store of which one answer about a job fails, the second or another."""

    def __init__(self, bench: Bench, which: int = 2) -> None:
        self._bench = bench
        self._asked = 0
        self._which = which

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the store has
        return getattr(self._bench.store, name)

    async def find(self, id: int) -> "InactiveRow | Tombstone | None":
        """What the store answers, but once."""
        self._asked += 1
        if self._asked == self._which:
            raise StoreError(errno.EIO, "a bad sector")
        return await self._bench.store.find(id)


async def retention_of(bench: Bench, store: Store) -> Retention:
    """The service on a store, registered."""
    recovered = await bench.store.open()
    holds = Holds(store, bench.spawn)
    made = Retention(bench.engine, store, recovered, holds, bench.spawn, lambda: 1_000_000.0)
    bench.router.add(made)
    return made


async def test_a_pin_that_a_purge_overtakes_is_refused_and_leaves_nothing(bench: Bench) -> None:
    """Nobody is told that a purged job is kept, and no pin of it stays."""
    id = await bench.ended()
    retention = await retention_of(bench, cast("Store", PurgedMeanwhile(bench)))
    errnum, text = await bench.ask("job-manager.pin", {"id": id, "reason": "evidence"})
    assert errnum == errno.ENOENT
    assert text.startswith("unknown job: it was purged at ")
    assert retention.pins == 0
    assert (await bench.store.open()).pins == []


async def test_a_pin_that_is_answered_with_an_error_leaves_nothing(bench: Bench) -> None:
    """Also when it is the look for a purge that fails, after the pin was kept."""
    id = await bench.ended()
    retention = await retention_of(bench, cast("Store", UnreadableOnce(bench)))
    answer = await bench.ask("job-manager.pin", {"id": id, "reason": "evidence"})
    assert answer == (errno.EIO, "a bad sector")
    assert retention.pins == 0
    assert (await bench.store.open()).pins == []


async def test_a_pin_that_was_answered_stays_when_another_of_the_job_is_refused(
    bench: Bench,
) -> None:
    """As it was; an error undoes what it answers, and nothing else."""
    id = await bench.ended()
    await retention_of(bench, cast("Store", UnreadableOnce(bench, which=4)))
    assert await bench.ask("job-manager.pin", {"id": id, "reason": "evidence"}) == {}
    answer = await bench.ask("job-manager.pin", {"id": id, "reason": "something else"})
    assert answer == (errno.EIO, "a bad sector")
    (pin,) = (await bench.ask("job-manager.pin-list", {}))["pins"]
    assert (pin["id"], pin["reason"]) == (id, "evidence")
    assert [pin.reason for pin in (await bench.store.open()).pins] == ["evidence"]


async def test_the_reason_of_a_pin_gives_its_end_as_people_read_it(bench: Bench) -> None:
    """A date, not seconds."""
    id = await bench.ended()
    await retention_of(bench, bench.store)
    pin = {"id": id, "reason": "evidence", "until": 1_700_000_000.0}
    await bench.ask("job-manager.pin", pin)
    reply = await bench.ask("job-manager.retention", {"id": id})
    assert reply["why"] == "pinned until 2023-11-14T22:13:20Z: evidence"


@pytest.mark.parametrize("until", [1e12, 1e308])
async def test_a_pin_beyond_all_dates_is_refused_and_one_that_is_there_can_be_explained(
    bench: Bench, until: float
) -> None:
    """An earlier daemon may have taken it; dates end with the year 9999."""
    id = await bench.ended()
    await bench.store.open()
    await bench.store.write(Changes(pins={id: Pin(id, "evidence", until, 0, 1.0)}))
    await retention_of(bench, bench.store)
    assert await bench.ask("job-manager.pin", {"id": id, "reason": "x", "until": until}) == (
        errno.EINVAL,
        "a pin cannot end after the year 9999",
    )
    reply = await bench.ask("job-manager.retention", {"id": id})
    assert reply["why"] == "pinned until 9999-12-31T23:59:59Z: evidence"


class LatePins:
    """A store that keeps changes of pins, or refuses them, when the test says so."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._late: list[tuple[Changes, asyncio.Future[None]]] = []

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the store has
        return getattr(self._bench.store, name)

    def write(self, changes: Changes) -> "asyncio.Future[None]":
        """As the store does, but later."""
        if not changes.pins:
            return self._bench.store.write(changes)
        self._late.append((changes, asyncio.get_running_loop().create_future()))
        return self._late[-1][1]

    @property
    def asked(self) -> bool:
        """Whether a change of pins waits."""
        return bool(self._late)

    async def go_on(self, error: StoreError | None = None) -> None:
        """Keep what waits, or refuse it."""
        for changes, future in self._late:
            if error is None:
                await self._bench.store.write(changes)
                future.set_result(None)
            else:
                future.set_exception(error)
        self._late.clear()


@pytest.mark.parametrize("refused", [True, False])
@pytest.mark.parametrize("change", ["pin", "unpin"])
async def test_a_job_that_ends_while_its_pin_changes_is_held_only_if_it_is_pinned(
    bench: Bench, change: str, refused: bool
) -> None:
    """Whether the change is kept or not, and although the job ends in a write of its own."""
    store = LatePins(bench)
    retention = await retention_of(bench, cast("Store", store))
    bench.engine.commits.class_of = retention.class_of
    id = await bench.started()
    peer, pin = Peer(), {"id": id, "reason": "evidence"}
    if change == "unpin":
        bench.send(Peer(), "job-manager.pin", pin)
        await bench.until(lambda: store.asked)
        await store.go_on()
        await bench.settle()
    matchtag = bench.send(peer, f"job-manager.{change}", pin)
    await bench.until(lambda: store.asked)
    bench.executor.finish(id)
    await bench.until(lambda: id not in bench.engine.jobs)
    await store.go_on(StoreError(errno.ENOSPC, "no space left") if refused else None)
    await bench.until(lambda: peer.received)
    assert bool(peer.end(matchtag)) == refused
    pinned = (change == "unpin") == refused
    assert retention.pins == int(pinned)
    assert bench.store.stats().held == int(pinned)


async def test_a_pin_that_cannot_be_ended_ends_with_a_later_heartbeat(bench: Bench) -> None:
    """A full disk is no reason for the daemon to end."""
    id = await bench.ended()
    retention = await retention_of(bench, bench.store)
    pin = {"id": id, "reason": "evidence", "until": 1_000_001.0}
    await bench.ask("job-manager.pin", pin)
    retention._clock = lambda: 1_000_002.0
    bench.store.fault = StoreError(errno.ENOSPC, "no space left")
    retention.on_heartbeat()
    await bench.settle()
    assert bench.failed == []
    assert (retention.pins, bench.store.stats().held) == (1, 1)
    bench.store.fault = None
    retention.on_heartbeat()
    await bench.settle()
    assert (retention.pins, bench.store.stats().held) == (0, 0)


async def test_jobs_that_cannot_be_classed_anew_are_with_a_later_heartbeat(bench: Bench) -> None:
    """New rules on a full disk hold up purging, and nothing else."""
    await bench.ended()
    retention = await retention_of(bench, bench.store)
    bench.store.fault = StoreError(errno.ENOSPC, "no space left")
    retention.configure(Limits(), [Rule("all", limits=Limits(num=1))])
    await bench.settle()
    assert bench.failed == []
    assert not retention.complete
    bench.store.fault = None
    retention.on_heartbeat()
    await bench.settle()
    assert retention.complete


class PinnedMeanwhile:
    """A store whose answer about rows is overtaken by something."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.overtaken: Callable[[], Awaitable[object]] | None = None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the store has
        return getattr(self._bench.store, name)

    async def rows(self, ids: Sequence[int]) -> Sequence[InactiveRow]:
        """What the store answers, after that."""
        overtaken, self.overtaken = self.overtaken, None
        if overtaken is not None:
            await overtaken()
        return await self._bench.store.rows(ids)


async def test_a_pin_that_is_set_while_an_older_one_goes_stays(bench: Bench) -> None:
    """What was answered last holds, after a restart too."""
    id = await bench.ended()
    store = PinnedMeanwhile(bench)
    retention = await retention_of(bench, cast("Store", store))
    await bench.ask("job-manager.pin", {"id": id, "reason": "evidence"})
    store.overtaken = partial(bench.ask, "job-manager.pin", {"id": id, "reason": "again"})
    assert await bench.ask("job-manager.unpin", {"id": id}) == {}
    assert retention.pins == 1
    assert [pin.reason for pin in (await bench.store.open()).pins] == ["again"]
