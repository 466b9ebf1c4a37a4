"""USERID-shell-JOBID.stdin: input for the tasks of a running job (flux-core shell/input).

A request is answered when its bytes are in the pipes to the tasks, so that a client that waits for
the answer writes as fast as they read. There is no limit to how much may go through; the beginning
of it is kept with the job, as guest.input, and is durable when answered. Only so much may wait at
once; a job whose client writes on regardless ends with an exception (option input.limit), as does
one in Flux.
"""

import asyncio
import errno
from collections import deque
from collections.abc import Awaitable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from jobmgrd.call import Call, Value
from jobmgrd.commits import Committed
from jobmgrd.engine import Engine
from jobmgrd.exec.port import Input
from jobmgrd.input import JobInput
from jobmgrd.jobs.job import Job
from jobmgrd.jobs.placement import place
from jobmgrd.router import Router
from jobmgrd.routes import Route
from jobmgrd.services.lookup import active_job
from protocol import taskmap
from protocol.errors import FormatError, RpcError
from protocol.job import State
from protocol.job_shell import StdinRequest, parse_topic
from protocol.message import Cred


class _Waiting(NamedTuple):
    answer: "asyncio.Future[Value]"
    size: int


class _Inputs:
    """What was written to a job: which tasks may still be written to, and what waits for them."""

    def __init__(self, ntasks: int) -> None:
        self.open = set(range(ntasks))
        self.waiting: deque[_Waiting] = deque()
        self.size = 0


class Shell:
    """Speaks for the shells of all running jobs; a listener of commits."""

    def __init__(self, engine: Engine, router: Router) -> None:
        self._engine = engine
        self._router = router
        self._inputs: dict[int, _Inputs] = {}
        self._input = JobInput(engine.commits, engine.now)
        engine.execution.input_taken = self._taken
        router.resolvers.append(self.resolve)

    def routes(self) -> Iterable[Route]:
        """No topic is known in advance; see `resolve`."""
        return ()

    def configure(self, *, input_limit: int) -> None:
        """Keep so many bytes with each job from now on."""
        self._input.limit = input_limit

    def resolve(self, topic: str, cred: Cred) -> Route | None:
        """The route to a job's shell, while tasks run that take input."""
        found = parse_topic(topic)
        if found is None or found[2] != "stdin":
            return None
        job = active_job(self._engine, found[1])
        if job is None or job.userid != found[0] or not _takes_input(job):
            return None
        if cred.userid != job.userid and not self._router.sees_all(cred):
            return None
        return Route(topic, StdinRequest, partial(self.write, job))

    def write(self, job: Job, call: Call, request: StdinRequest) -> Awaitable[Value]:
        """Write to the tasks that are meant, in the order of the requests."""
        if not call.cred.is_owner and call.cred.userid != job.userid:
            raise RpcError(errno.EPERM, "guests can only write to their own jobs")
        try:
            data, ranks = request.raw, request.ranks
        except FormatError as error:
            raise RpcError(errno.EPROTO, str(error)) from None
        inputs = self._inputs.get(job.id)
        if inputs is None:
            inputs = _Inputs(taskmap.size(place(job.jobspec, job.ranks)))
            self._inputs[job.id] = inputs
        wanted = inputs.open if ranks is None else set(ranks)
        if not (wanted and wanted <= inputs.open):
            raise RpcError(errno.EPIPE, "stdin of these tasks is closed")
        self._count(job, inputs, len(data))
        if request.eof:
            inputs.open -= wanted
        kept = self._input.keep(job, request)
        answer: asyncio.Future[Value] = asyncio.get_running_loop().create_future()
        inputs.waiting.append(_Waiting(answer, len(data)))
        self._engine.execution.write(job, Input(data, request.eof, ranks))
        return self._once_durable(job, answer) if kept else answer

    async def _once_durable(self, job: Job, answer: Awaitable[Value]) -> Value:
        await self._engine.durable(job)
        return await answer

    def committed(self, batch: Sequence[Committed]) -> None:
        """See Listener: nobody takes the input of jobs that have ended."""
        if not self._inputs:
            return
        for item in batch:
            if item.last and (inputs := self._inputs.pop(item.job.id, None)):
                for waiting in inputs.waiting:
                    if not waiting.answer.done():
                        waiting.answer.set_exception(RpcError(errno.EPIPE, "the job has ended"))

    def _count(self, job: Job, inputs: _Inputs, size: int) -> None:
        """Note that more waits, and end a job for which too much does.

        A client that waits for its answers is within any limit.
        """
        limit = job.jobspec.shell.input_limit
        if inputs.waiting and inputs.size + size > limit:
            note = (
                f"stdin exceeds the limit of {limit} bytes that may wait for the tasks: have the"
                " client wait for answers, or read a file (--input=FILE)"
            )
            self._engine.raise_exception(job, "exec", 0, note)
            raise RpcError(errno.ENOSPC, note)
        inputs.size += size

    def _taken(self, job: Job) -> None:
        inputs = self._inputs.get(job.id)
        if inputs is not None and inputs.waiting:  # else it was written by an earlier daemon
            waiting = inputs.waiting.popleft()
            inputs.size -= waiting.size
            if not waiting.answer.done():
                waiting.answer.set_result(None)


def _takes_input(job: Job) -> bool:
    spec = job.jobspec
    return job.state is State.RUN and job.started and spec.test is None and spec.shell.stdin is None
