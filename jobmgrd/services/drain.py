"""job-manager.drain, idle: wait until no job is active, or none runs or could (drain.c)."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from jobmgrd.call import Call, Empty, Peer
from jobmgrd.commits import Committed
from jobmgrd.engine import Engine
from jobmgrd.router import OWNER, Route, Router
from protocol.job import PRIORITY_MIN, State

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
            Route("job-manager.drain", Empty, self.drain, role=OWNER),
            Route("job-manager.idle", Empty, self.idle, role=OWNER),
        ]

    def drain(self, call: Call, _request: Empty) -> "asyncio.Future[Mapping[str, Any]]":
        """Answered once no job is active."""
        return self._wait(call.peer, lambda: not self._engine.jobs, dict)

    def idle(self, call: Call, _request: Empty) -> "asyncio.Future[Mapping[str, Any]]":
        """Answered once no job runs, and none waits in a queue that is started."""
        return self._wait(call.peer, self._is_idle, lambda: {"pending": len(self._engine.jobs)})

    def committed(self, _batch: Sequence[Committed]) -> None:
        """See Listener."""
        if self._waiting:
            self.look_soon()

    def look_soon(self) -> None:
        """See whether it has come to that; for when queues were stopped, too."""
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._look)

    def _is_idle(self) -> bool:
        started = self._engine.allocator.queues.started
        return not any(
            job.state & BUSY
            or (
                job.state is State.SCHED
                and job.priority != PRIORITY_MIN
                and started(job.jobspec.queue)
            )
            for job in self._engine.jobs.values()
        )

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
        self._waiting = [waiting for waiting in self._waiting if waiting.peer is not peer]


class _Waiting(NamedTuple):
    peer: Peer
    met: Callable[[], bool]
    reply: Callable[[], Mapping[str, Any]]
    future: "asyncio.Future[Mapping[str, Any]]"
