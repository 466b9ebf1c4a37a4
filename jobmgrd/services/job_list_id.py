"""job-list.list-id: one job's attributes, at once or when it comes to a state."""

import errno
from asyncio import Future, get_running_loop
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from msgspec import Struct

from jobmgrd.call import PEER_GONE, Call, Peer, Value
from jobmgrd.commits import Committed
from jobmgrd.engine import Engine
from jobmgrd.jobs.attributes import ANNOTATIONS, attributes
from jobmgrd.jobs.job import Job
from jobmgrd.jobs.times import reached
from jobmgrd.router import Router
from jobmgrd.routes import Route, Scope, TellingError
from jobmgrd.services.job_list import attribute_names
from jobmgrd.services.lookup import UNKNOWN_JOB, missing
from jobmgrd.store.listed import describe
from jobmgrd.store.port import InactiveRow, Store
from protocol.errors import RpcError
from protocol.job import State
from protocol.job_list import IdReply, IdRequest

WAITS_MAX: Final = 100_000
"""Requests that may wait for a state; further ones are answered EAGAIN."""
GUEST_WAITS_MAX: Final = WAITS_MAX // 2
"""Requests beyond which only the owner's may wait."""
HIDDEN: Final = RpcError(errno.ENOENT, UNKNOWN_JOB)


class JobListId:
    """The requests that wait, by job; a job that ends without its state answers them, too."""

    def __init__(
        self, engine: Engine, store: Store, router: Router, annotate: Callable[[], None]
    ) -> None:
        self._engine = engine
        self._annotate = annotate
        self._store = store
        self._router = router
        self._waits: dict[int, list[_Wait]] = {}
        self._of_peers: dict[Peer, Counter[int]] = {}  # ids of jobs, how many waits for each
        self.waits = 0  # how many requests wait
        engine.commits.listen(self)
        router.on_disconnect(self._release)

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [Route("job-list.list-id", IdRequest, self.list_id, scope=Scope.SEEN)]

    def list_id(self, call: Call, request: IdRequest) -> Value | Awaitable[Value]:
        """A job's attributes; one that is not kept is refused at once."""
        names = attribute_names(request.attrs)
        if request.state & ~int(State.ACTIVE | State.INACTIVE):
            raise RpcError(errno.EPROTO, "invalid payload: invalid state specified")
        if ANNOTATIONS in names:
            self._annotate()
        job = self._engine.jobs.get(request.id)
        if job is None or not job.committed:
            return self._kept(call, request.id, names)
        self._check_visible(call, job.userid)
        if request.state and not reached(job) & (request.state | State.INACTIVE):
            return self._wait(call, job.id, _Wait(call.peer, request.state, names, _future()))
        return IdReply(attributes(job, names))

    async def _kept(self, call: Call, id: int, names: Sequence[str]) -> IdReply:
        found = await self._store.find(id)
        if not isinstance(found, InactiveRow):
            raise missing(found, UNKNOWN_JOB, cred=call.cred)
        self._check_visible(call, found.userid)
        (job,) = describe([found], names)
        return IdReply(job)

    def _check_visible(self, call: Call, userid: int) -> None:
        """In private mode, a job of another is as unknown as one that never was."""
        if userid != call.cred.userid and not self._router.sees_all(call.cred):
            raise TellingError(errno.ENOENT, UNKNOWN_JOB, HIDDEN)

    def _wait(self, call: Call, id: int, wait: "_Wait") -> "Future[Value]":
        if self.waits >= (WAITS_MAX if call.cred.is_owner else GUEST_WAITS_MAX):
            raise RpcError(errno.EAGAIN, "too many requests wait for jobs")
        self.waits += 1
        self._waits.setdefault(id, []).append(wait)
        self._of_peers.setdefault(wait.peer, Counter())[id] += 1
        return wait.answer

    def committed(self, batch: Sequence[Committed]) -> None:
        """See Listener."""
        for item in batch if self._waits else ():
            if item.job.id in self._waits:
                self._answer(item.job, {state for state, _t in item.moves})

    def _answer(self, job: Job, come_to: Iterable[State]) -> None:
        for wait in self._take(
            job.id, lambda wait: any(state & (wait.states | State.INACTIVE) for state in come_to)
        ):
            wait.answer.set_result(IdReply(attributes(job, wait.names)))

    def _release(self, peer: Peer) -> None:
        """Forget what a peer that has gone waits for."""
        for id in list(self._of_peers.get(peer, ())):
            for wait in self._take(id, lambda wait: wait.peer == peer):
                wait.answer.set_exception(PEER_GONE)

    def _take(self, id: int, which: "Callable[[_Wait], bool]") -> "Sequence[_Wait]":
        """Remove some of the waits for a job."""
        waits = self._waits[id]
        taken = [wait for wait in waits if which(wait)]
        left = [wait for wait in waits if not which(wait)]
        self.waits -= len(taken)
        for wait in taken:
            self._forget(wait.peer, id)
        if left:
            self._waits[id] = left
        else:
            del self._waits[id]
        return taken

    def _forget(self, peer: Peer, id: int) -> None:
        waits = self._of_peers[peer]
        waits[id] -= 1
        if not waits[id]:
            del waits[id]
            if not waits:
                del self._of_peers[peer]


class _Wait(Struct, frozen=True):
    """A request that waits for one of these states."""

    peer: Peer
    states: int
    names: Sequence[str]
    answer: Future[Value]


def _future() -> "Future[Value]":
    return get_running_loop().create_future()
