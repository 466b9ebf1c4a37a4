"""job-manager.events-journal: every event of every job, as a stream (journal.c).

A consumer first gets the active jobs as they are (with `full` the inactive ones too), then a
sentinel with id -1, then what happens. A response holds all events that one write made durable
for a job. It is encoded once for all consumers that have no filter.
"""

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from jobmgrd.engine import Committed, Engine
from jobmgrd.router import OWNER, Route, Router, Stream, cancel_route
from jobmgrd.store.port import InactiveRow, Store
from protocol import payload
from protocol.job_manager import JournalRequest
from protocol.jobspec import redact
from protocol.payload import Format

PAGE: Final = 256
SENTINEL: Final[Mapping[str, Any]] = {"id": -1, "events": []}


class Journal:
    """The consumers, and what each is sent."""

    def __init__(self, engine: Engine, store: Store, router: Router) -> None:
        self._engine = engine
        self._store = store
        self._router = router
        self._consumers: dict[int, _Consumer] = {}

    def routes(self) -> Iterable[Route]:
        """See Service."""
        topic = "job-manager.events-journal"
        return [
            Route(topic, JournalRequest, self.consume, role=OWNER, streaming=True),
            cancel_route(topic, self._router),
        ]

    @property
    def listeners(self) -> int:
        """How many consumers there are."""
        return len(self._consumers)

    def consume(self, stream: Stream, request: JournalRequest) -> Coroutine[Any, Any, None] | None:
        """Begin a stream."""
        consumer = _Consumer(stream, request)
        self._consumers[id(consumer)] = consumer
        stream.on_close = lambda: self._forget(consumer)
        active = [
            _Record(job.id, job.entries[: job.committed], job.jobspec_json, job.R)
            for job in self._engine.jobs.values()
            if job.committed
        ]
        if request.full:
            consumer.held = []
            return self._send_history(consumer, active)
        consumer.begin(active)
        return None

    def _forget(self, consumer: "_Consumer") -> None:
        self._consumers.pop(id(consumer), None)

    async def _send_history(self, consumer: "_Consumer", active: Sequence["_Record"]) -> None:
        """The inactive jobs, page by page, while later events are held back."""
        before, before_id = float("inf"), 0
        known = {record.id for record in active}
        while consumer.stream.open:
            page = await self._store.recent(PAGE, before, before_id)
            consumer.send_all(_record(row) for row in page if row.id not in known)
            if len(page) < PAGE:
                break
            before, before_id = page[-1].t_clean, page[-1].id
        consumer.begin(active)

    def committed(self, batch: Sequence[Committed]) -> None:
        """See Listener."""
        if not self._consumers:
            return
        records = [_news(item) for item in batch]
        for consumer in list(self._consumers.values()):
            consumer.take(records)


class _Record:
    """Events of one job, encoded at most once in each format."""

    def __init__(
        self, id: int, lines: Sequence[bytes], jobspec: bytes | None, R: bytes | None
    ) -> None:
        self.id = id
        self.lines = lines
        self.jobspec = jobspec
        self.R = R
        self._encoded: dict[Format, bytes] = {}

    def encoded(self, format: Format) -> bytes:
        """All events of the record, encoded."""
        body = self._encoded.get(format)
        if body is None:
            body = self._encoded[format] = _encode(self, self.lines, format)
        return body

    def filtered(self, wants: Callable[[bytes], bool], format: Format) -> bytes | None:
        """The record with the wanted events only, encoded; None if that leaves none."""
        lines = [line for line in self.lines if wants(line)]
        return _encode(self, lines, format) if lines else None


def _encode(record: _Record, lines: Sequence[bytes], format: Format) -> bytes:
    """The response: lines are JSON already, so a JSON response is joined, not encoded."""
    extra = b""
    if record.jobspec is not None:
        extra += b',"jobspec":' + msgspec.json.encode(redact(record.jobspec))
    if record.R is not None:
        extra += b',"R":' + record.R
    events = b",".join(line[:-1] for line in lines)
    body = b'{"id":%d,"events":[%b]%b}' % (record.id, events, extra)
    if format is Format.JSON:
        return body + b"\0"
    return payload.encode(msgspec.json.decode(body), format)


def _record(row: InactiveRow) -> _Record:
    return _Record(row.id, row.eventlog.splitlines(keepends=True), row.jobspec, row.R)


def _news(item: Committed) -> _Record:
    """What one write made durable; jobspec goes with the submit event, R with alloc."""
    job = item.job
    names = [_name(line) for line in item.entries]
    return _Record(
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


class _Consumer:
    """One stream and its filter. While `held` is a list, news wait there."""

    def __init__(self, stream: Stream, request: JournalRequest) -> None:
        self.stream = stream
        self.held: list[_Record] | None = None
        self._allow = request.allow
        self._deny = request.deny or {}

    def _wants(self, line: bytes) -> bool:
        name = _name(line)
        return (self._allow is None or name in self._allow) and name not in self._deny

    def send_all(self, records: Iterable[_Record]) -> None:
        """Send records through the filter."""
        plain = self._allow is None and not self._deny
        format = self.stream.format
        for record in records:
            body = record.encoded(format) if plain else record.filtered(self._wants, format)
            if body is not None:
                self.stream.send_encoded(body)

    def begin(self, active: Iterable[_Record]) -> None:
        """End the backlog: the active jobs, the sentinel, what was held back."""
        self.send_all(active)
        self.stream.send(SENTINEL)
        held, self.held = self.held or [], None
        self.send_all(held)

    def take(self, records: Sequence[_Record]) -> None:
        """Send news, or hold them back."""
        if self.held is not None:
            self.held.extend(records)
        else:
            self.send_all(records)
