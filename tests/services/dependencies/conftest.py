"""A daemon that serves what tests of dependencies ask."""

import pytest

from tests.services.bench import Bench


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """A running bench that says why jobs are kept."""
    bench.router.add(bench.retention)
    return bench
