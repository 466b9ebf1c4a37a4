"""job-manager.queue-*: the queues, and what is asked of them, kept over restarts (queue.c)."""

import asyncio
import errno
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import structlog

from jobmgrd.call import Call, Empty
from jobmgrd.engine import Engine
from jobmgrd.jobs.policy import Policy
from jobmgrd.jobs.queues import ANONYMOUS, QueueConfig, Queues
from jobmgrd.routes import OWNER, Route, Scope
from jobmgrd.store.port import Changes, Store, StoreError
from protocol.errors import FormatError, RpcError
from protocol.job import State
from protocol.job_manager import (
    QueueEnableRequest,
    QueueStartRequest,
    QueueStatus,
    QueueStatusRequest,
)

log = structlog.get_logger()

QUEUES: Final = "queues"
"""The name under which switches are kept."""


class QueueService:
    """Switches of the engine's queues. A change holds at once, and is answered once durable.

    Args:
        engine: has the queues.
        store: keeps the switches.
        meta: what the last daemon kept.
        changed: told after each change, one of the configuration included.
    """

    def __init__(
        self,
        engine: Engine,
        store: Store,
        meta: Mapping[str, bytes],
        changed: Callable[[], None],
    ) -> None:
        self._changed = changed
        self._engine = engine
        self._queues: Queues = engine.allocator.queues
        self._store = store
        self._kept = meta.get(QUEUES, b"")
        self._changing = asyncio.Lock()

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("job-manager.queue-list", Empty, self.list_),
            Route("job-manager.queue-status", QueueStatusRequest, self.status),
            Route("job-manager.queue-enable", QueueEnableRequest, self.enable, role=OWNER),
            Route("job-manager.queue-start", QueueStartRequest, self.start, role=OWNER),
            Route("job-manager.alloc-query", Empty, self.alloc_query, scope=Scope.TOTALS),
        ]

    def configure(
        self, general: Policy, configs: Mapping[str, QueueConfig], *, stop_on_restart: bool
    ) -> None:
        """Have these queues from now on; at first, with the switches that the last daemon kept."""
        self._queues.configure(general, configs)
        if self._kept:
            try:
                self._queues.restore(self._kept, stop=stop_on_restart)
            except FormatError as error:  # they begin as new queues do
                log.error("queues.switches-lost", reason=str(error))
            self._kept = b""
        self._arrange()

    def _arrange(self) -> None:
        self._engine.allocator.arrange_queues()
        self._changed()

    def list_(self, _call: Call, _request: Empty) -> Mapping[str, Any]:
        """The names of the queues; none without named queues."""
        return {"queues": self._queues.names}

    def status(self, _call: Call, request: QueueStatusRequest) -> QueueStatus:
        """Whether a queue takes jobs, whether they are scheduled, and why not."""
        try:
            return self._queues.status(self._queues.named(request.name or ANONYMOUS))
        except FormatError as error:
            raise RpcError(errno.EINVAL, str(error)) from error

    async def enable(self, _call: Call, request: QueueEnableRequest) -> None:
        """Take jobs, or take no more."""
        self._confirm(request.name, every=request.all)
        if request.enable:
            await self._change(lambda: self._queues.enable(request.name))
        elif request.reason is None:
            raise RpcError(errno.EINVAL, "reason is required for disable")
        else:
            reason = request.reason
            await self._change(lambda: self._queues.disable(request.name, reason))

    async def start(self, _call: Call, request: QueueStartRequest) -> None:
        """Schedule jobs, or schedule no more; what runs goes on."""
        self._confirm(request.name, every=request.all)
        name, kept = request.name, not request.nocheckpoint
        if request.start:
            await self._change(lambda: self._queues.start(name, checkpoint=kept))
        else:
            await self._change(lambda: self._queues.stop(name, request.reason, checkpoint=kept))

    def _confirm(self, name: str | None, *, every: bool) -> None:
        if name is None and self._queues.names and not every:
            raise RpcError(errno.EINVAL, "Use --all to apply this command to all queues")

    async def _change(self, change: Callable[[], None]) -> None:
        """Make a change, one after another; it is taken back if it cannot be kept."""
        async with self._changing:
            before = dict(self._queues.switches)
            try:
                change()
                self._arrange()
                await self._store.write(Changes(meta={QUEUES: self._queues.save()}))
            except FormatError as error:
                raise RpcError(errno.EINVAL, str(error)) from error
            except StoreError:
                self._queues.switches = self._queues.switches | before
                self._arrange()
                raise
        log.info("queues.switched", queues=self._queues.save().decode())

    def alloc_query(self, _call: Call, _request: Empty) -> Mapping[str, Any]:
        """How many jobs wait for resources, and how many run; the scheduler is in this process."""
        jobs = self._engine.jobs.values()
        return {
            "queue_length": sum(1 for job in jobs if job.state is State.SCHED),
            "alloc_pending": 0,
            "running": sum(1 for job in jobs if job.state & State.RUNNING),
        }
