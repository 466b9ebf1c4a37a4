"""job-manager.wait: how a waitable job ended, told once to whoever asks first (wait.c).

It is wait(2) for jobs: one that ended and that nobody waited for is a zombie, and one answer
removes it. Only the owner may submit waitable jobs, so that guests cannot heap up zombies.
"""

import asyncio
import errno
from collections import deque
from collections.abc import Awaitable, Iterable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

import structlog

from jobmgrd.call import PEER_GONE, Call, Peer, Value
from jobmgrd.engine import Engine
from jobmgrd.jobs.ending import ending
from jobmgrd.jobs.job import Job
from jobmgrd.router import Router
from jobmgrd.routes import OWNER, Route
from jobmgrd.services.list_ import describe
from jobmgrd.services.lookup import missing
from jobmgrd.store.port import InactiveRow, Store
from protocol.errors import RpcError
from protocol.job import Flag
from protocol.job_manager import WaitReply, WaitRequest

log = structlog.get_logger()

ANY: Final = frozenset((2**64 - 1, -1))
"""FLUX_JOBID_ANY stands for whichever ends first; JSON writers may send it as a signed integer."""

ZOMBIES_MAX: Final = 1 << 16
"""Waitable jobs that ended and were not waited for; beyond it, the oldest is forgotten."""

_NO_MORE: Final = "there are no more waitable jobs"
_INVALID: Final = "invalid job id, or job may be inactive and not waitable"


class Zombie(NamedTuple):
    """What is left of a waitable job until somebody waits for it."""

    reply: WaitReply
    listed: Mapping[str, Any]  # as job-manager.list describes it


class Waiter(NamedTuple):
    """A request under way."""

    peer: Peer
    future: "asyncio.Future[Value]"


_Answer: TypeAlias = Awaitable[Value] | WaitReply


class Wait:
    """Zombies are in memory only: a restart forgets them, as Flux does."""

    def __init__(self, engine: Engine, store: Store, router: Router) -> None:
        self._engine = engine
        self._store = store
        self._zombies: dict[int, Zombie] = {}
        self._waiters: dict[int, Waiter] = {}
        self._any: deque[Waiter] = deque()
        self._telling: dict[int, tuple[Peer, Zombie]] = {}  # until the answer is sent, or not
        router.on_disconnect(self._disconnected)
        engine.on_waitable_end = self._ended
        engine.on_waitable_lost = self._lost

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [Route("job-manager.wait", WaitRequest, self.wait, role=OWNER)]

    def zombies(self) -> Iterable[Mapping[str, Any]]:
        """The waitable jobs that ended and that nobody waited for."""
        return (zombie.listed for zombie in self._zombies.values())

    def close(self) -> None:
        """Give up all requests: the daemon is stopping."""
        for waiter in [*self._waiters.values(), *self._any]:
            waiter.future.cancel()
        self._waiters.clear()
        self._any.clear()

    def wait(self, call: Call, request: WaitRequest) -> _Answer:
        """Answer once the job has ended; ECHILD if there is nothing to wait for."""
        if request.id in ANY:
            return self._wait_for_any(call)
        zombie = self._zombies.pop(request.id, None)
        if zombie is not None:
            return zombie.reply
        if request.id not in self._engine.jobs:
            return self._refuse(request.id)
        return self._wait_for(call, request.id)

    def _wait_for_any(self, call: Call) -> _Answer:
        if self._zombies:
            return self._zombies.pop(next(iter(self._zombies))).reply
        waiter = _waiter(call)
        self._any.append(waiter)
        self._refuse_surplus()
        return waiter.future

    def _wait_for(self, call: Call, id: int) -> _Answer:
        if id in self._waiters:
            raise RpcError(errno.ECHILD, "job id already has a waiter")
        if not _waitable(self._engine.jobs[id]):
            raise RpcError(errno.ECHILD, "job was not submitted with FLUX_JOB_WAITABLE")
        waiter = self._waiters[id] = _waiter(call)
        self._refuse_surplus()
        return waiter.future

    def _refuse_surplus(self) -> None:
        """Refuse the last who asked for any job, if there are fewer jobs than waiters."""
        if not self._any:
            return
        waiters = len(self._waiters) + len(self._any)
        for job in self._engine.jobs.values():
            waiters -= _waitable(job)
            if not waiters:
                return
        self._any.pop().future.set_exception(RpcError(errno.ECHILD, _NO_MORE))

    def _ended(self, job: Job) -> None:
        """A waitable job is inactive, and durably so."""
        zombie = Zombie(WaitReply(job.id, *ending(job)), describe(job))
        waiter = self._waiters.pop(job.id, None)
        if waiter is None and self._any:
            waiter = self._any.popleft()
        if waiter is None:
            self._keep(zombie)
        else:
            waiter.future.set_result(zombie.reply)
            self._telling[job.id] = waiter.peer, zombie
            asyncio.get_running_loop().call_soon(self._telling.pop, job.id, None)

    def _lost(self, job: Job) -> None:
        """A waitable job could not be kept: whoever counted on it waits for nothing."""
        waiter = self._waiters.pop(job.id, None)
        if waiter is not None:
            waiter.future.set_exception(RpcError(errno.ECHILD, _INVALID))
        self._refuse_surplus()

    def _keep(self, zombie: Zombie) -> None:
        self._zombies[zombie.reply.id] = zombie
        if len(self._zombies) > ZOMBIES_MAX:
            forgotten = next(iter(self._zombies))
            del self._zombies[forgotten]
            log.warning("wait.zombie-forgotten", id=forgotten, limit=ZOMBIES_MAX)

    async def _refuse(self, id: int) -> None:
        """Say what became of a job that cannot be waited for, in one errno as wait(2) does."""
        found = await self._store.find(id)
        if not isinstance(found, InactiveRow):
            raise RpcError(errno.ECHILD, str(missing(found, _INVALID, errno.ECHILD)))
        raise RpcError(errno.ECHILD, f"{_INVALID}: it is inactive, `job status` says how it ended")

    def _disconnected(self, peer: Peer) -> None:
        """Release what a peer waited for; an answer that did not reach it is kept for others."""
        for id in [id for id, waiter in self._waiters.items() if waiter.peer == peer]:
            self._waiters.pop(id).future.set_exception(PEER_GONE)
        for waiter in [waiter for waiter in self._any if waiter.peer == peer]:
            self._any.remove(waiter)
            waiter.future.set_exception(PEER_GONE)
        for id in [id for id, (told, _) in self._telling.items() if told == peer]:
            self._keep(self._telling.pop(id)[1])


def _waitable(job: Job) -> bool:
    return bool(job.flags & Flag.WAITABLE)


def _waiter(call: Call) -> Waiter:
    return Waiter(call.peer, asyncio.get_running_loop().create_future())
