"""The stores under test."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from jobmgrd.store.memory import MemoryStore
from jobmgrd.store.port import Store
from jobmgrd.store.sqlite import SqliteStore
from tests.store.sample import Clock, db_path


@pytest.fixture
def clock() -> Clock:
    """The time that a store goes by."""
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Callable[[], Store]:
    """Makes a store, the same again each time, as a new process would."""
    if request.param == "sqlite":
        return lambda: SqliteStore(db_path(tmp_path), clock=clock)
    memory = MemoryStore(clock)
    return lambda: memory


@pytest.fixture
async def store(make: Callable[[], Store]) -> AsyncIterator[Store]:
    """Each implementation of the port, open and empty."""
    kept = make()
    await kept.open()
    yield kept
    await kept.close()
