"""What the daemon tells Prometheus, and the small HTTP server that it is fetched from.

Nothing of this is imported unless `[metrics] bind` is set.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from jobmgrd.metrics.exposition import Exposition
from jobmgrd.metrics.sampling import Sampler, Sources
from jobmgrd.metrics.server import MetricsServer

__all__ = ["Sources", "serve"]


def serve(
    bind: str, sources: Sources, spawn: Callable[[Coroutine[Any, Any, None]], object]
) -> MetricsServer:
    """A server of these numbers, to be opened and closed."""
    sampler, exposition = Sampler(sources), Exposition()

    async def render() -> tuple[str, bytes]:
        return exposition.render(await sampler.sample())

    return MetricsServer(bind, render, spawn)
