"""A daemon with one plugin."""

from collections.abc import AsyncIterator

import pytest

from tests.services.bench import Bench
from tests.services.plugins.noting import NOTING, Noting


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A daemon with one plugin, on a host with one core."""
    Noting.made = []
    made = Bench(cores=1)
    made.sources = [NOTING]
    await made.boot()
    made.router.add(made.plugins)
    yield made
    await made.store.close()


@pytest.fixture
def plugin(bench: Bench) -> Noting:
    """The plugin."""
    assert bench.plugins.loaded
    return Noting.made[0]
