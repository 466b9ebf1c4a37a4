"""A daemon without transports, for the tests of services."""

from collections.abc import AsyncIterator

import pytest

from tests.services.bench import Bench


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A running bench."""
    made = Bench()
    await made.boot()
    yield made
    await made.store.close()
