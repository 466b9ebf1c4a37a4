"""job-manager.events-journal: every event of every job, as a stream (journal.c).

A consumer first gets the active jobs as they are (with `full` the inactive ones too), or, with
`since`, the news that it missed; then a sentinel; then news as they come (protocol/journal.py).
News are numbered, encoded once for all consumers without a filter, and kept in a window for a
while. A response holds all events that one write made durable for a job.

Nothing here grows with a slow consumer. It is told what was as fast as it reads (jobmgrd/flow.py);
meanwhile news wait for it in the window alone, and if the window moves on before it is done, it is
ended with ESTALE. News that were sent wait in its transport, which gives up a peer that lets more
than its bound pile up (zmq_router.SEND_HWM).
"""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from jobmgrd.call import Stream
from jobmgrd.commits import Committed
from jobmgrd.engine import Engine
from jobmgrd.flow import Flow
from jobmgrd.jobs.attributes import annotations
from jobmgrd.jobs.job import Job
from jobmgrd.router import Router, cancel_route
from jobmgrd.routes import OWNER, Route
from jobmgrd.services.journal_window import Record, Window
from jobmgrd.store.port import InactiveRow, Store
from protocol import payload
from protocol.eventlog import entry_line
from protocol.events import PurgeEvent
from protocol.jobspec import redact
from protocol.journal import NO_JOB, TOPIC, JournalRequest

PAGE: Final = 256
"""Responses about the past that are sent at once; the last of them is waited for."""


class Journal:
    """The consumers, and what each is sent."""

    def __init__(
        self, engine: Engine, store: Store, router: Router, window: Window | None = None
    ) -> None:
        self._engine = engine
        self._store = store
        self._router = router
        self._window = window or Window()
        self._consumers: dict[int, _Consumer] = {}
        self._purge_seq = store.stats().purge_seq
        self.events = 0
        """How many events there were since the daemon's start."""

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route(TOPIC, JournalRequest, self.consume, role=OWNER, streaming=True),
            cancel_route(TOPIC, self._router),
        ]

    @property
    def listeners(self) -> int:
        """How many consumers there are."""
        return len(self._consumers)

    # --- the past ---------------------------------------------------------------------------

    def consume(self, stream: Stream, request: JournalRequest) -> Coroutine[Any, Any, None]:
        """Begin a stream."""
        consumer = _Consumer(stream, request)
        if request.since is not None:
            work = self._catch_up(consumer, self._window.position(request.since))
        else:
            work = self._tell_all(consumer, full=request.full)
        self._consumers[id(consumer)] = consumer
        stream.on_close = lambda: self._forget(consumer)
        return work

    def _forget(self, consumer: "_Consumer") -> None:
        del self._consumers[id(consumer)]

    async def _tell_all(self, consumer: "_Consumer", *, full: bool) -> None:
        """Jobs as they are, page by page; what happens meanwhile is news."""
        page = await self._store.recent(PAGE) if full else ()
        # A job that ended is in this page, or its end is among the news after this instant: the
        # engine lets a job go, and the listeners know, before a later read of the store returns.
        position = self._window.last
        active = [(job, job.committed) for job in self._engine.jobs.values() if job.committed]
        ids = {job.id for job, _ in active}
        while page and consumer.stream.open:
            await consumer.tell(_kept(row) for row in page if row.id not in ids)
            last = page[-1]
            page = () if len(page) < PAGE else await self._store.recent(PAGE, last.t_clean, last.id)
        for start in range(0, len(active), PAGE):
            page_of = active[start : start + PAGE]
            await consumer.tell(_active(job, length) for job, length in page_of)
        await self._catch_up(consumer, position)

    async def _catch_up(self, consumer: "_Consumer", position: int) -> None:
        """Send the news after a position; from the sentinel on the consumer is told at once.

        Raises:
            RpcError: ESTALE: they are gone.
        """
        while consumer.stream.open and (records := self._window.after(position, PAGE)):
            await consumer.catch_up(records, self._window)
            position = records[-1].n
        consumer.begin_news(self._window.cursor(self._window.last))

    # --- news -------------------------------------------------------------------------------

    def committed(self, batch: Sequence[Committed]) -> None:
        """See Listener."""
        self._send([self._window.add(_news(item)) for item in batch if item.entries])
        self.events += sum(len(item.entries) for item in batch)

    def annotated(self, jobs: Sequence[Job]) -> None:
        """Tell of annotations, which no eventlog has (RFC 21)."""
        now = self._engine.now()
        self._send(
            [
                self._window.add(_fields(job.id, [_annotations(job, now)], None, None))
                for job in jobs
            ]
        )

    def purged(self, event: PurgeEvent) -> None:
        """Tell of a purge that was committed, after the ends of the jobs that went.

        One that an earlier daemon committed, and that is announced again, is no news: nobody was
        told of its jobs here.
        """
        if event.seq <= self._purge_seq:
            return
        self._purge_seq = event.seq
        fields = b'{"id":%d,"events":[],"purge":%b' % (NO_JOB, msgspec.json.encode(event))
        self._send([self._window.add(fields, is_purge=True)])

    def _send(self, records: Sequence[Record]) -> None:
        for consumer in list(self._consumers.values()):
            if consumer.is_live:
                consumer.send(records, self._window)


class _Consumer:
    """One stream, its filter, and whether it has been told what was."""

    def __init__(self, stream: Stream, request: JournalRequest) -> None:
        self.stream = stream
        self.is_live = False
        self._told = 0
        self._flow = Flow(stream)
        self._purges = request.purge
        self._allow = request.allow
        self._deny = request.deny or {}
        self._is_plain = self._allow is None and not self._deny

    async def tell(self, jobs: Iterable[bytes]) -> None:
        """Send jobs as they are, JSON objects without their closing brace; wait for the last."""
        bodies = (self._filtered(msgspec.json.decode(fields + b"}")) for fields in jobs)
        await self._send_paced([body for body in bodies if body is not None])

    async def catch_up(self, records: Sequence[Record], window: Window) -> None:
        """Send news that it missed, and wait for the last."""
        await self._send_paced(list(self._bodies(records, window)))

    def send(self, records: Iterable[Record], window: Window) -> None:
        """Send news."""
        for body in self._bodies(records, window):
            self._told += 1
            self.stream.send_encoded(body)

    def _bodies(self, records: Iterable[Record], window: Window) -> Iterator[bytes]:
        for record in records:
            if record.is_purge and not self._purges:
                continue
            if self._is_plain or record.is_purge:
                yield window.encoded(record, self.stream.format)
            elif body := self._filtered(msgspec.json.decode(record.json[:-1])):
                yield body

    def begin_news(self, seq: str) -> None:
        """Send the sentinel; all news are sent from now on."""
        self.stream.send({"id": NO_JOB, "events": [], "seq": seq, "told": self._told})
        self.is_live = True

    def _filtered(self, value: dict[str, Any]) -> bytes | None:
        """A response, encoded, if any of its events is wanted."""
        if not self._is_plain:
            value["events"] = [event for event in value["events"] if self._wants(event["name"])]
        return payload.encode(value, self.stream.format) if value["events"] else None

    async def _send_paced(self, bodies: Sequence[bytes]) -> None:
        self._told += len(bodies)
        for body in bodies[:-1]:
            self.stream.send_encoded(body)
        for body in bodies[-1:]:
            await self._flow.send(body)
        await asyncio.sleep(0)

    def _wants(self, name: str) -> bool:
        return (self._allow is None or name in self._allow) and name not in self._deny


# --- jobs and news as JSON objects without their closing brace: eventlogs are JSON already ------


def _fields(id: int, lines: Sequence[bytes], jobspec: bytes | None, R: bytes | None) -> bytes:
    extra = b""
    if jobspec is not None:
        extra += b',"jobspec":' + msgspec.json.encode(redact(jobspec))
    if R is not None:
        extra += b',"R":' + R
    return b'{"id":%d,"events":[%b]%b' % (id, b",".join(line[:-1] for line in lines), extra)


def _kept(row: InactiveRow) -> bytes:
    return _fields(row.id, row.eventlog.splitlines(keepends=True), row.jobspec, row.R)


def _active(job: Job, length: int) -> bytes:
    lines = job.entries[:length]
    if job.sched is not None or job.noted is not None:
        lines = [*lines, _annotations(job, job.t_submit)]
    return _fields(job.id, lines, job.jobspec_json, job.R)


def _annotations(job: Job, t: float) -> bytes:
    """All but what the allocation says: a follower tells that by itself, as long as it is there."""
    found = annotations(job) or {}
    if job.sched is None:
        found.pop("sched", None)
    return entry_line(t, "annotations", {"annotations": found or None})


def _news(item: Committed) -> bytes:
    """What one write made durable; jobspec goes with the submit event, R with alloc."""
    job = item.job
    names = [_name(line) for line in item.entries]
    return _fields(
        job.id,
        item.entries,
        job.jobspec_json if "submit" in names else None,
        job.R if "alloc" in names else None,
    )


class _Name(msgspec.Struct):
    name: str


_name_decoder: Final = msgspec.json.Decoder(_Name)


def _name(line: bytes) -> str:
    return _name_decoder.decode(line).name
