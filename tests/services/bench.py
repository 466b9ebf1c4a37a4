"""An engine with job-info and the journal around it, on the in-memory store, without sockets."""

import asyncio
import itertools
import json
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from jobmgrd.call import PeerGoneError
from jobmgrd.engine import Engine
from jobmgrd.exec import port
from jobmgrd.exec.port import Attempt, Finished, Notify, Started
from jobmgrd.jobs.nodes import NodeConfig
from jobmgrd.jobs.retention import Candidate, History
from jobmgrd.jobs.scheduler import Scheduler
from jobmgrd.plugins.guard import Source
from jobmgrd.publisher import Published
from jobmgrd.router import Router
from jobmgrd.services.annotate import Annotate
from jobmgrd.services.dependencies import Dependencies
from jobmgrd.services.holds import Holds
from jobmgrd.services.job_info import JobInfo
from jobmgrd.services.job_ingest import JobIngest
from jobmgrd.services.job_list import JobList
from jobmgrd.services.journal import Journal
from jobmgrd.services.journal_window import Window
from jobmgrd.services.memo import Memo
from jobmgrd.services.plugins import Plugins
from jobmgrd.services.retention import Retention
from jobmgrd.store.memory import MemoryStore
from jobmgrd.store.port import Recovered
from protocol.events import PurgeEvent
from protocol.jobspec import from_command, parse
from protocol.message import FLAG_STREAMING, ROLE_OWNER, ROLE_USER, Cred, Request, Response
from protocol.payload import Format, decode, encode

OWNER = Cred(1, ROLE_OWNER)
GUEST = Cred(99, ROLE_USER)
USERID = 7
TURNS = 10_000
SETTLED = 120


async def turns_until(condition: Callable[[], object]) -> None:
    """Let the loop turn until a condition holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - there is nobody who could set an event
            await asyncio.sleep(0)


class Peer:
    """A peer that keeps what it is sent, up to a bound, as a transport's."""

    format = Format.MSGPACK
    sender = "peer"

    def __init__(self, bound: int = 1_000_000, *, reads: bool = True) -> None:
        self.received: list[Response] = []
        self.events: list[Published] = []
        self._bound = bound
        self.reads = reads

    def send(self, response: Response) -> None:
        """See the router's Peer."""
        if len(self.received) >= self._bound:
            raise PeerGoneError("too much waits for it")
        self.received.append(response)

    def send_tracked(self, response: Response) -> Callable[[], bool]:
        """See the router's Peer."""
        self.send(response)
        return lambda: self.reads

    def post(self, event: Published, _format: Format, /) -> None:
        """See the router's Peer."""
        self.events.append(event)

    def of(self, matchtag: int) -> list[Response]:
        """The responses to one request."""
        return [response for response in self.received if response.matchtag == matchtag]

    def values(self, matchtag: int) -> list[dict[str, Any]]:
        """What the responses to one request say, without its end."""
        return [decode(response.payload) for response in self.of(matchtag) if not response.errnum]

    def end(self, matchtag: int) -> tuple[int, str] | None:
        """The errnum and the text that ended a stream; None while it goes on."""
        ends = [response for response in self.of(matchtag) if response.errnum]
        return (ends[0].errnum, ends[0].error_text) if ends else None


class Executor(port.Executor):
    """Notes what it is asked; the test tells what happens."""

    def __init__(self, notify: Notify) -> None:
        self.tell = notify
        self.attempts: dict[int, Attempt] = {}
        self.signals: list[tuple[int, int]] = []

    def start(self, attempt: Attempt) -> None:
        """See the port."""
        self.attempts[attempt.id] = attempt

    def signal(self, id: int, signum: int) -> None:
        """See the port."""
        self.signals.append((id, signum))

    def cancel(self, id: int) -> None:
        """End an attempt at once."""
        asyncio.get_running_loop().call_soon(self.finish, id, 15)

    def finish(self, id: int, status: int = 0) -> None:
        """Tell that an attempt has ended."""
        if self.attempts.pop(id, None):
            self.tell(Finished(id, status))

    async def terminate(self) -> None:
        """See the port."""

    async def close(self) -> None:
        """See the port."""


class Bench:
    """A daemon without transports. `boot` again is a restart: only the store survives."""

    executor: Executor

    def __init__(
        self,
        cores: int = 4,
        window: Callable[[], Window] = Window,
        properties: frozenset[str] = frozenset(),
    ) -> None:
        self.store = MemoryStore()
        self.sources: Sequence[Source] = ()
        """The plugins that `boot` loads."""
        self._node = NodeConfig(0, "host", cores, properties=properties)
        self._make_window = window
        self._ticks = itertools.count(1_000_000)
        self._ids = itertools.count(1)
        self._matchtags = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self.failed: list[BaseException] = []
        """What `spawn` was given and raised: a daemon would have ended with it."""

    async def boot(self) -> None:
        """Start, or start anew after a crash."""
        recovered = await self.store.open()
        self.router = Router(self.spawn)
        scheduler = Scheduler([self._node])
        self.engine = Engine(self.store, scheduler, self._make_executor, self.tick)
        self.engine.max_jobid = recovered.max_jobid
        self.journal = Journal(self.engine, self.store, self.router, self._make_window())
        self.job_info = JobInfo(self.engine, self.store, self.router)
        self.holds = Holds(self.store, self.spawn)
        self.retention = Retention(
            self.engine, self.store, recovered, self.holds, self.spawn, self.tick
        )
        self.dependencies = Dependencies(self.engine, self.store, self.holds, self.tick)
        self.engine.commits.class_of = self.retention.class_of
        self.engine.commits.rules_of = self.holds.rules_of
        self.plugins = Plugins(self.engine, self.tick)
        self.plugins.use(self.plugins.prepare(self.sources))
        self.ingest = JobIngest(
            self.engine,
            self.dependencies,
            self.plugins,
            self.router.guard,
            lambda: 1.0,
            OWNER.userid,
        )
        self.annotate = Annotate(self.engine, self.journal.annotated)
        for listener in (self.journal, self.job_info):
            self.engine.commits.listen(listener)
        for service in (
            self.journal,
            self.job_info,
            self.ingest,
            JobList(self.engine, self.store, self.router, self.annotate.refresh),
            Memo(self.engine, self.store, self.journal.annotated),
        ):
            self.router.add(service)
        self.prepare(recovered)
        await self.engine.recover(recovered, self.plugins.introduce)
        await self.dependencies.recover()
        self.plugins.ask_again()

    def prepare(self, recovered: Recovered) -> None:
        """What a test adds before jobs are resumed."""

    def tick(self) -> float:
        """A clock that goes on by a millisecond whenever it is asked."""
        return next(self._ticks) / 1000

    def _make_executor(self, notify: Notify) -> Executor:
        self.executor = Executor(notify)
        return self.executor

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside the test."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failed.append(error)

    async def until(self, condition: Callable[[], object]) -> None:
        """Let the loop turn until a condition holds."""
        for _ in range(TURNS):
            if condition():
                return
            await asyncio.sleep(0)
        raise AssertionError("it never came to that")

    async def settle(self) -> None:
        """Let the loop turn until nothing is under way, or what is waits for the test."""
        for turn in range(SETTLED):
            if turn > SETTLED // 4 and not self._tasks:
                return
            await asyncio.sleep(0)

    # --- requests ---------------------------------------------------------------------------

    def send(
        self,
        peer: Peer,
        topic: str,
        value: dict[str, Any],
        *,
        cred: Cred = OWNER,
        stream: bool = False,
    ) -> int:
        """Send a request; its matchtag."""
        matchtag = next(self._matchtags)
        flags = FLAG_STREAMING if stream else 0
        request = Request(topic, encode(value), cred, matchtag=matchtag, flags=flags)
        self.router.dispatch(request, peer)
        return matchtag

    async def ask(self, topic: str, value: dict[str, Any], cred: Cred = OWNER) -> Any:  # noqa: ANN401
        """The answer to a request: a dict, or errnum and text."""
        peer = Peer()
        self.send(peer, topic, value, cred=cred)
        await self.until(lambda: peer.received)
        response = peer.received[0]
        if response.errnum:
            return response.errnum, response.error_text
        return decode(response.payload)

    async def listed(self, attrs: tuple[str, ...]) -> dict[int, dict[str, Any]]:
        """What job-list answers of all jobs, by id."""
        request = {"max_entries": 0, "attrs": list(attrs), "states": 127}
        reply = await self.ask("job-list.list", request)
        return {job["id"]: job for job in reply["jobs"]}

    # --- jobs -------------------------------------------------------------------------------

    async def submit(self, urgency: int = 16, flags: int = 0, **options: Any) -> int:  # noqa: ANN401 - as from_command
        """Submit a job; its id, once it is durable."""
        id = next(self._ids)
        spec = from_command(["true"], **options)
        text = json.dumps(spec).encode()
        await self.engine.submit(id, parse(spec), text, userid=USERID, urgency=urgency, flags=flags)
        return id

    async def started(self, **options: Any) -> int:  # noqa: ANN401 - as from_command
        """Submit a job and start it; its id."""
        id = await self.submit(**options)
        await self.until(lambda: id in self.executor.attempts)
        self.executor.tell(Started(id))
        await self.settle()
        return id

    async def ended(self, status: int = 0) -> int:
        """Run a job to its end; its id."""
        id = await self.started()
        self.executor.finish(id, status)
        await self.until(lambda: id not in self.engine.jobs)
        return id

    async def purge(self, *ids: int, announce: bool = True) -> PurgeEvent | None:
        """Purge inactive jobs, and have the journal told; what it was told, or should have been."""

        def decide(history: History) -> list[Candidate]:
            return list(history.find(ids))

        record = await self.store.purge(decide, now=next(self._ticks), reason="test", userid=1)
        if record is None:
            return None
        event = PurgeEvent(record.jobs, record.seq, record.t, record.reason, record.userid)
        if announce:
            self.journal.purged(event)
        return event
