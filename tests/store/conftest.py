"""The stores under test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jobmgrd.store.memory import MemoryStore
from jobmgrd.store.port import Store
from jobmgrd.store.sqlite import SqliteStore
from tests.store.sample import db_path


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Each implementation of the port, open and empty."""
    kept: Store = MemoryStore() if request.param == "memory" else SqliteStore(db_path(tmp_path))
    await kept.open()
    yield kept
    await kept.close()
