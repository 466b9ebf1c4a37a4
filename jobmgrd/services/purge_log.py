"""job-manager.purge-log, and the announcement of purges: every committed batch, without a gap.

Each batch has a `seq`, one more than the last. It is published as job-purge-inactive in the order
of seq, and kept in the purge log, from which a consumer that missed some can have them again.
"""

import asyncio
import errno
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Final

from jobmgrd.call import Stream
from jobmgrd.router import Router, cancel_route
from jobmgrd.routes import Route, Scope
from jobmgrd.store.port import Changes, PurgeRecord, Store
from protocol.errors import RpcError
from protocol.events import PurgeEvent
from protocol.retention import PurgeLogRequest

TOPIC: Final = "job-manager.purge-log"
PAGE: Final = 100
HELD_MAX: Final = 10_000
"""Batches that may wait while a follower reads what came before; then it is told to resync."""


class PurgeLog:
    """Publishes, replays, and feeds the followers."""

    def __init__(
        self,
        store: Store,
        router: Router,
        publish: Callable[[PurgeEvent], object],
        *,
        epoch: str,
        seq: int,
    ) -> None:
        self._store = store
        self._router = router
        self._publish = publish
        self.epoch = epoch
        self._next = seq + 1
        self._published = self._noted = 0
        self._early: dict[int, PurgeRecord] = {}
        self._followers: list[_Follower] = []

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route(TOPIC, PurgeLogRequest, self.replay, streaming=True, scope=Scope.TOTALS),
            cancel_route(TOPIC, self._router),
        ]

    def announce(self, record: PurgeRecord) -> None:
        """Publish a committed batch, once all before it are published."""
        self._early[record.seq] = record
        while (due := self._early.pop(self._next, None)) is not None:
            self._next += 1
            self.publish(due)
            for follower in list(self._followers):
                follower.take(due)

    def publish(self, record: PurgeRecord) -> None:
        """Publish a batch, perhaps again after a crash."""
        self._publish(self._event(record))
        self._published = record.seq

    def on_heartbeat(self) -> None:
        """Have the store know what was published, so that a next daemon need not repeat it."""
        if self._published > self._noted:
            self._noted = self._published
            self._store.write(Changes(published=self._noted)).add_done_callback(_look_away)

    def close(self) -> None:
        """Note the last ones; the store finishes what it was asked for before it closes."""
        self.on_heartbeat()

    def replay(self, stream: Stream, request: PurgeLogRequest) -> Coroutine[Any, Any, None]:
        """Begin a stream: the records with seq > since, then, if asked, those to come."""
        stats = self._store.stats()
        if request.since < 0:
            raise RpcError(errno.EINVAL, "since must be >= 0")
        if request.epoch not in (None, self.epoch):
            text = f"since {request.since} is of epoch {request.epoch}, this is {self.epoch}"
            raise RpcError(errno.ESTALE, f"{text}: the history was replaced: resync")
        if request.since > stats.purge_seq:
            text = f"since {request.since} is beyond the last seq {stats.purge_seq}: resync"
            raise RpcError(errno.ESTALE, text)
        if request.since + 1 < stats.purge_log_from:
            text = f"the purge log begins at seq {stats.purge_log_from}: resync"
            raise RpcError(errno.ESTALE, text)
        return self._send(stream, request)

    def _event(self, record: PurgeRecord) -> PurgeEvent:
        return PurgeEvent(
            record.jobs, record.seq, record.t, record.reason, record.userid, self.epoch
        )

    async def _send(self, stream: Stream, request: PurgeLogRequest) -> None:
        follower = _Follower(stream, request.since, self._event)
        if request.follow:  # before reading, so that nothing falls between
            self._followers.append(follower)
            stream.on_close = lambda: self._followers.remove(follower)
        page: Sequence[PurgeRecord] = ()
        while stream.open:
            page = await self._store.purge_log(follower.seq, PAGE)
            for record in page:
                follower.send(record)
            if len(page) < PAGE:
                break
        if request.follow:
            follower.release()
        else:
            stream.end()


class _Follower:
    """A stream, the last seq that it was sent, and the records that wait until it has caught up."""

    def __init__(
        self, stream: Stream, seq: int, event_of: Callable[[PurgeRecord], PurgeEvent]
    ) -> None:
        self.seq = seq
        self._stream = stream
        self._event_of = event_of
        self._held: list[PurgeRecord] | None = []

    def take(self, record: PurgeRecord) -> None:
        """Send a new record, or hold it back."""
        if self._held is None:
            self.send(record)
        elif len(self._held) < HELD_MAX:
            self._held.append(record)
        else:
            self._stream.fail(RpcError(errno.ESTALE, "too far behind: ask again"))

    def send(self, record: PurgeRecord) -> None:
        """Send a record, unless it was sent before."""
        if record.seq > self.seq:
            self.seq = record.seq
            self._stream.send(self._event_of(record))

    def release(self) -> None:
        """Send what was held back, and hold no more."""
        held, self._held = self._held or [], None
        for record in held:
            self.send(record)


def _look_away(future: "asyncio.Future[None]") -> None:
    """A note that was not taken costs a repetition after a crash, no more."""
    future.exception()
