"""The law of a follower: whatever happened, in the end it knows what job-list answers."""

import asyncio
import errno
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from jobmgrd.client.job_cache import ATTRS, JobCache, StreamGapError
from jobmgrd.exec.port import Started
from jobmgrd.services.journal_window import Window
from protocol.job import Result, State
from protocol.journal import TOPIC, JournalReply
from protocol.message import Response
from protocol.payload import decode_as
from tests.services.bench import Bench, Peer

T = TypeVar("T")

WINDOW = 40
"""Records: small enough that some reconnects come too late."""
PLACE = st.integers(0, 100)


class Following(RuleBasedStateMachine):
    """A daemon on the in-memory store, and a client between them whose stream suffers."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.bench = Bench(cores=3, window=partial(Window, WINDOW))
        self.peer: Peer | None = None
        self.unread: list[Response] = []
        self.lost = False

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Let the daemon work until it is quiet."""

        async def settled() -> T:
            result = await work
            await self.bench.settle()
            self.deliver()
            return result

        return self.runner.run(settled())

    @initialize(max_inactive=st.sampled_from([None, 0, 3]))
    def boot(self, max_inactive: int | None) -> None:
        """Begin; the follower is there before the first job."""
        self.max_inactive = max_inactive
        self.cache = JobCache(ATTRS, max_inactive)
        self.run(self.bench.boot())

    # --- the daemon -------------------------------------------------------------------------

    @rule(count=st.integers(1, 4))
    def submit(self, count: int) -> None:
        """Jobs come."""
        for _ in range(count):
            self.run(self.bench.submit())

    @rule(place=PLACE, status=st.sampled_from([0, 256]))
    def finish(self, place: int, status: int) -> None:
        """A job that runs ends."""
        running = sorted(self.bench.executor.attempts)
        if running:
            self.run(self._finish(running[place % len(running)], status))

    async def _finish(self, id: int, status: int) -> None:
        self.bench.executor.tell(Started(id))
        self.bench.executor.finish(id, status)

    @rule(place=PLACE, type=st.sampled_from(["cancel", "memo", "note", "urgency", "update"]))
    def change(self, place: int, type: str) -> None:
        """Something happens to an active job."""
        if self.bench.engine.jobs:
            self.run(self._change(place, type))

    async def _change(self, place: int, type: str) -> None:
        ids = sorted(self.bench.engine.jobs)
        job = self.bench.engine.jobs[ids[place % len(ids)]]
        if type == "cancel":
            self.bench.engine.raise_exception(job, "cancel", 0, "enough")
        elif type == "memo":
            self.bench.engine.post(job, "memo", {"place": place})
        elif type == "note":
            note = {"note": place, "place": None if place % 2 else -place}
            await self.bench.ask("job-manager.memo", {"id": job.id, "memo": note, "volatile": True})
        elif type == "update":
            name = {"attributes.system.job.name": f"renamed-{place}"}
            self.bench.engine.update(job, name)
        elif job.state in (State.PRIORITY, State.SCHED):
            self.bench.engine.post(job, "urgency", {"urgency": place % 32, "userid": 7})

    @rule(first=PLACE, count=st.integers(1, 5), told=st.booleans())
    def purge(self, first: int, count: int, told: bool) -> None:
        """Inactive jobs go; a daemon that dies before it tells, does not tell."""
        ids = sorted(self.bench.store._inactive)[first % 10 :][:count]
        if ids:
            self.run(self.bench.purge(*ids, announce=told))
            if not told:
                self.restart()

    @rule()
    def restart(self) -> None:
        """The daemon is killed; what was not read yet is lost with the connection."""
        self.drop_connection()
        self.run(self.bench.boot())

    # --- the stream -------------------------------------------------------------------------

    def connect(self) -> None:
        """Ask for what the cache needs."""
        self.peer = Peer()
        request = self.cache.begin()
        keys = {"full": request.full, "purge": request.purge, "since": request.since}
        self.run(self._send(self.peer, keys))

    async def _send(self, peer: Peer, keys: dict[str, Any]) -> None:
        self.bench.send(peer, TOPIC, keys, stream=True)

    def deliver(self) -> None:
        """What the daemon sent is on its way."""
        if self.peer is not None:
            self.unread += self.peer.received
            self.peer.received = []

    @rule(count=st.integers(1, 30))
    def read(self, count: int) -> None:
        """Some of what is on its way arrives."""
        if self.peer is None:
            self.connect()
        for _ in range(min(count, len(self.unread))):
            if not self.read_one():
                return

    def read_one(self) -> bool:
        """One response arrives. Returns whether the stream goes on."""
        response = self.unread.pop(0)
        if response.errnum:
            assert response.errnum == errno.ESTALE
            self.cache.resync()
        else:
            try:
                self.cache.apply(decode_as(response.payload, JournalReply))
            except StreamGapError:
                pass
            else:
                return True
        self.drop_connection()
        return False

    @rule(place=PLACE, past=st.booleans())
    def lose(self, place: int, past: bool) -> None:
        """A response is lost: of the past, or news; not the sentinel, which says how many."""
        if past:
            self.drop_connection()
        elif self.peer is None:
            self.connect()
        self.run(self.bench.submit())
        if past:
            self.connect()
        places = [
            n
            for n, response in enumerate(self.unread)
            if not response.errnum and not decode_as(response.payload, JournalReply).is_sentinel
        ]
        if places:
            del self.unread[places[place % len(places)]]
            self.lost = True

    @rule()
    def drop_connection(self) -> None:
        """The connection breaks; what was on its way is lost."""
        if self.peer is not None:
            self.bench.router.disconnect(self.peer)
        self.peer, self.unread = None, []

    # --- the law ----------------------------------------------------------------------------

    @rule()
    def compare(self) -> None:
        """Once everything has arrived, the cache is what job-list answers."""
        if self.lost:  # the loss of the very last is noticed with the next
            self.run(self.bench.submit())
            self.lost = False
        self.run(self.bench.listed(ATTRS))  # annotations are made now, and told
        for _ in range(10):
            if self.peer is None:
                self.connect()
            while self.unread and self.read_one():
                pass
            if self.peer is not None and self.cache.synced:
                break
        assert self.cache.synced
        listed = self.run(self.bench.listed(ATTRS))
        active = {id for id, job in listed.items() if job["state"] != State.INACTIVE}
        for id, job in self.cache.items():
            assert job == listed[id]
        kept = set(self.cache) - active
        assert active <= set(self.cache)
        if self.max_inactive is None:
            assert set(self.cache) == set(listed)
        else:
            assert len(kept) <= self.max_inactive
        stats = self.cache.stats
        assert stats.anomalies == 0
        assert sum(stats.states.values()) == len(self.cache)
        for state in State.DEPEND, State.SCHED, State.RUN, State.INACTIVE:
            count = sum(job["state"] == state for job in self.cache.values())
            assert stats.states.get(state, 0) == count
        for result in Result:
            count = sum(job.get("result") == result for job in self.cache.values())
            assert stats.results.get(result, 0) == count

    def teardown(self) -> None:
        """Compare once more, and close the loop."""
        try:
            self.compare()
        finally:
            self.runner.close()


Following.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestFollowing = Following.TestCase
