"""resource.drain, undrain: nodes that get no new jobs, kept over restarts (resource/drain.c).

Nodes that the configuration excludes are not drained, and those that were before are so no more.
"""

import asyncio
import errno
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import structlog

from jobmgrd.call import Call
from jobmgrd.engine import Engine
from jobmgrd.jobs import drains
from jobmgrd.jobs.drains import Drains, Mode, StateError
from jobmgrd.jobs.nodes import ranks_of
from jobmgrd.routes import OWNER, Route
from jobmgrd.store.port import Changes, Store
from protocol import idset
from protocol.errors import FormatError, RpcError
from protocol.resource import DrainRequest

log = structlog.get_logger()

DRAINS: Final = "drains"
"""The name under which drains are kept."""


class ResourceDrain:
    """Which nodes are drained. A change holds once it is durable; one is made after another."""

    def __init__(
        self, engine: Engine, store: Store, meta: Mapping[str, bytes], clock: Callable[[], float]
    ) -> None:
        self._engine = engine
        self._store = store
        self._clock = clock
        self._hosts = engine.allocator.scheduler.hosts
        self._excluded = engine.allocator.scheduler.excluded
        self._changing = asyncio.Lock()
        self._drains: Drains = {}
        try:
            kept = drains.decode(meta.get(DRAINS, b""), self._hosts)
            self._take({rank: d for rank, d in kept.items() if rank not in self._excluded})
        except FormatError as error:  # the nodes are used until somebody drains them again
            log.error("resource.drains-lost", reason=str(error))

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("resource.drain", DrainRequest, self.drain, role=OWNER),
            Route("resource.undrain", DrainRequest, self.undrain, role=OWNER),
        ]

    @property
    def drained(self) -> Drains:
        """The drained nodes, by rank."""
        return self._drains

    async def drain(self, _call: Call, request: DrainRequest) -> None:
        """Drain nodes; answered once that is durable."""
        ranks = self._ranks(request.targets)
        if excluded := self._excluded.intersection(ranks):
            raise RpcError(errno.EINVAL, f"{drains.named(excluded)} excluded")
        mode = _mode(request.mode, "Invalid mode specified")
        await self._change(
            lambda now: drains.drain(now, ranks, request.reason, self._clock(), mode)
        )
        log.info("resource.drain", ranks=idset.format(ranks), reason=request.reason or "")

    async def undrain(self, _call: Call, request: DrainRequest) -> None:
        """Give nodes back to new jobs; answered once that is durable."""
        ranks = self._ranks(request.targets)
        mode = _mode(request.mode, f"invalid undrain mode '{request.mode}' specified")
        await self._change(lambda now: drains.undrain(now, ranks, mode))
        log.info("resource.undrain", ranks=idset.format(ranks), reason=request.reason or "")

    async def drain_ranks(self, ranks: Iterable[int], reason: str) -> None:
        """Drain nodes for something that failed there; those drained for a reason keep theirs.

        Raises:
            StoreError: this could not be kept, and nothing changed.
        """
        known = [rank for rank in ranks if rank in self._hosts and rank not in self._excluded]
        if not known:
            return
        await self._change(lambda now: drains.drain(now, known, reason, self._clock(), Mode.UPDATE))
        log.warning("resource.drain", ranks=idset.format(known), reason=reason)

    async def _change(self, change: Callable[[Drains], Drains]) -> None:
        async with self._changing:
            try:
                after = change(self._drains)
            except StateError as error:
                raise RpcError(errno.EEXIST, str(error)) from error
            kept = drains.encode(after, self._hosts)
            await self._store.write(Changes(meta={DRAINS: kept}))
            self._take(after)

    def _take(self, after: Drains) -> None:
        self._drains = after
        self._engine.allocator.scheduler.drain(after.keys())
        self._engine.allocator.schedule_soon()

    def _ranks(self, targets: str) -> Sequence[int]:
        try:
            ranks = ranks_of(targets, self._hosts)
        except FormatError as error:
            raise RpcError(errno.EINVAL, str(error)) from error
        if not ranks:
            raise RpcError(errno.EINVAL, "idset is empty")
        return ranks


def _mode(given: str | None, text: str) -> Mode:
    try:
        return Mode(given)
    except ValueError as error:
        raise RpcError(errno.EINVAL, text) from error
