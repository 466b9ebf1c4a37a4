"""job-manager.drain, idle: wait until no job is active, or none runs or could (drain.c)."""

import asyncio
import errno
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from jobmgrd.call import PEER_GONE, Call, Peer
from jobmgrd.commits import Committed
from jobmgrd.engine import Engine
from jobmgrd.jobs.job import Job
from jobmgrd.router import Router
from jobmgrd.routes import OWNER, Route
from protocol.errors import FormatError, RpcError
from protocol.job import PRIORITY_MIN, State
from protocol.job_manager import DrainRequest

BUSY: Final = State.RUN | State.CLEANUP | State.INACTIVE
"""A job that is inactive here has ended, and that is not durable yet."""


class Drain:
    """Those who wait. Whether it has come to that is looked at after each commit, if any wait."""

    def __init__(self, engine: Engine, router: Router) -> None:
        self._engine = engine
        self._waiting: list[_Waiting] = []
        self._due = False
        router.on_disconnect(self._forget)

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("job-manager.drain", DrainRequest, self.drain, role=OWNER),
            Route("job-manager.idle", DrainRequest, self.idle, role=OWNER),
        ]

    def drain(self, call: Call, request: DrainRequest) -> "asyncio.Future[Mapping[str, Any]]":
        """Answered once no job is active, or none of a queue."""
        chosen = self._chosen(request.name)
        return self._wait(call.peer, lambda: not any(chosen()), dict)

    def idle(self, call: Call, request: DrainRequest) -> "asyncio.Future[Mapping[str, Any]]":
        """Answered once no job runs, and none waits in a queue that is started."""
        chosen = self._chosen(request.name)
        return self._wait(
            call.peer,
            lambda: not any(map(self._is_busy, chosen())),
            lambda: {"pending": sum(1 for _ in chosen())},
        )

    def _chosen(self, name: str | None) -> Callable[[], Iterable[Job]]:
        """The active jobs, or those of a queue and of the virtual ones that it has (RFC 33)."""
        jobs = self._engine.jobs
        if name is None:
            return jobs.values
        queues = self._engine.allocator.queues
        try:
            if queues.root(queues.named(name)) != name:
                text = f"queue {name} is virtual: wait for {queues.root(name)}, its parent"
                raise RpcError(errno.EINVAL, text)
        except FormatError as error:
            raise RpcError(errno.EINVAL, str(error)) from error
        return lambda: (job for job in jobs.values() if queues.belongs(job.jobspec.queue, name))

    def committed(self, _batch: Sequence[Committed]) -> None:
        """See Listener."""
        if self._waiting:
            self.look_soon()

    def look_soon(self) -> None:
        """See whether it has come to that; for when queues were stopped, too."""
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._look)

    def _is_busy(self, job: Job) -> bool:
        if job.state is not State.SCHED:
            return bool(job.state & BUSY)
        started = self._engine.allocator.queues.started(job.jobspec.queue)
        return started and job.priority != PRIORITY_MIN

    def _wait(
        self, peer: Peer, met: Callable[[], bool], reply: Callable[[], Mapping[str, Any]]
    ) -> "asyncio.Future[Mapping[str, Any]]":
        future: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(peer, met, reply, future))
        self.look_soon()
        return future

    def _look(self) -> None:
        self._due = False
        for waiting in [waiting for waiting in self._waiting if waiting.met()]:
            self._waiting.remove(waiting)
            if not waiting.future.done():
                waiting.future.set_result(waiting.reply())

    def _forget(self, peer: Peer) -> None:
        for waiting in [waiting for waiting in self._waiting if waiting.peer == peer]:
            self._waiting.remove(waiting)
            waiting.future.set_exception(PEER_GONE)


class _Waiting(NamedTuple):
    peer: Peer
    met: Callable[[], bool]
    reply: Callable[[], Mapping[str, Any]]
    future: "asyncio.Future[Mapping[str, Any]]"
