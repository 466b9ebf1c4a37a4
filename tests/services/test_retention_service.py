"""job-manager.pin and retention where they race a purge, on the in-memory store."""

import errno
from typing import Any, cast

import pytest

from jobmgrd.services.holds import Holds
from jobmgrd.services.retention import Retention
from jobmgrd.store.port import InactiveRow, Store, StoreError, Tombstone
from tests.services.bench import Bench


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
    """A store whose second answer about a job fails."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._asked = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the store has
        return getattr(self._bench.store, name)

    async def find(self, id: int) -> "InactiveRow | Tombstone | None":
        """What the store answers, but once."""
        self._asked += 1
        if self._asked == 2:
            raise StoreError(errno.EIO, "a bad sector")
        return await self._bench.store.find(id)


@pytest.fixture
async def bench() -> Bench:
    """A daemon without transports, started."""
    made = Bench()
    await made.boot()
    return made


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


async def test_the_reason_of_a_pin_gives_its_end_as_people_read_it(bench: Bench) -> None:
    """A date, not seconds."""
    id = await bench.ended()
    await retention_of(bench, bench.store)
    pin = {"id": id, "reason": "evidence", "until": 1_700_000_000.0}
    await bench.ask("job-manager.pin", pin)
    reply = await bench.ask("job-manager.retention", {"id": id})
    assert reply["why"] == "pinned until 2023-11-14T22:13:20Z: evidence"
