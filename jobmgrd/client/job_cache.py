"""What a follower knows of all jobs, without I/O: responses of the journal in, changes out.

A stream of the journal is begun by `begin`, which says what to ask for, and fed to `apply`:

    first, or after `resync`    everything: jobs as they are, sentinel, news
    any later time              news since the last ones that were applied, sentinel, news

News are numbered. One that is missing is noticed when a later one comes, and what is missing
from everything when the sentinel comes; StreamGapError then says to begin again. So a cache that
has seen the sentinel is what the daemon was at that moment, and each of the news keeps it so.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from jobmgrd.jobs.attributes import attributes
from jobmgrd.jobs.job import Job
from protocol import jobspec, resource_set
from protocol.errors import FormatError
from protocol.job import Result, State
from protocol.journal import JournalReply, JournalRequest

ATTRS: Final = (
    "userid",
    "urgency",
    "priority",
    "t_submit",
    "t_depend",
    "t_run",
    "t_cleanup",
    "t_inactive",
    "state",
    "name",
    "queue",
    "ntasks",
    "nodelist",
    "ranks",
    "result",
    "waitstatus",
    "exception_type",
    "exception_severity",
    "exception_note",
    "annotations",
)
"""The attributes (RFC 43) that are kept of an inactive job unless others are asked for."""

Kind: TypeAlias = Literal["added", "changed", "purged", "gone", "evicted"]
"""`gone`: missed, it is not there any more; `evicted`: beyond max_inactive, the daemon has it."""

Oddity: TypeAlias = Literal["purge of an active job", "purge of an unknown job", "unknown job"]


class Change(Struct, frozen=True):
    """What became of a job in the cache."""

    kind: Kind
    id: int


class Anomaly(Struct, frozen=True):
    """Something that a daemon does not say, and that was ignored."""

    what: Oddity
    id: int
    seq: str


class CacheStats(Struct, frozen=True):
    """The jobs in the cache by state and result, and what happened to others."""

    states: Mapping[State, int]
    results: Mapping[Result, int]
    purged: int
    evicted: int
    anomalies: int
    resyncs: int


class StreamGapError(Exception):
    """Responses were lost: begin again."""


class JobCache(Mapping[int, Mapping[str, Any]]):
    """Jobs by id, each a mapping of attributes as job-list answers them, `id` among them.

    Args:
        attrs: which attributes; see jobmgrd.jobs.attributes. An inactive job has its result always.
        max_inactive: how many inactive jobs to keep, the last to end; None is all.
        on_anomaly: told what was ignored.
    """

    def __init__(
        self,
        attrs: Sequence[str] = ATTRS,
        max_inactive: int | None = None,
        on_anomaly: Callable[[Anomaly], object] = lambda _anomaly: None,
    ) -> None:
        self.synced = False
        """Whether the cache is what the daemon was at some moment."""
        self._attrs = attrs
        self._max_inactive = max_inactive
        self._on_anomaly = on_anomaly
        self._active: dict[int, Job] = {}
        self._inactive: dict[int, Mapping[str, Any]] = {}
        self._ends: list[tuple[float, int]] = []  # a heap of (t_inactive, id); some are gone
        self._cursor: str | None = None
        self._told = 0
        self._stale: set[int] = set()
        self._elsewhere = 0  # evicted jobs whose purge was not yet told
        self._states: Counter[State] = Counter()
        self._results: Counter[Result] = Counter()
        self._counts: Counter[str] = Counter()

    # --- what is known ----------------------------------------------------------------------

    def __getitem__(self, id: int) -> Mapping[str, Any]:
        job = self._active.get(id)
        return self._inactive[id] if job is None else attributes(job, self._attrs)

    def __iter__(self) -> Iterator[int]:
        yield from self._active
        yield from self._inactive

    def __len__(self) -> int:
        return len(self._active) + len(self._inactive)

    @property
    def stats(self) -> CacheStats:
        """Counters; they cost nothing."""
        return CacheStats(
            states=+self._states,
            results=+self._results,
            purged=self._counts["purged"],
            evicted=self._counts["evicted"],
            anomalies=self._counts["anomalies"],
            resyncs=self._counts["resyncs"],
        )

    # --- the stream -------------------------------------------------------------------------

    def begin(self) -> JournalRequest:
        """Begin a stream, by this request."""
        self._told = 0
        if self.synced:
            return JournalRequest(since=self._cursor, purge=True)
        self._cursor = None
        self._elsewhere = 0
        self._stale = set(self)
        return JournalRequest(full=True, purge=True)

    def resync(self) -> None:
        """Have the next stream tell everything: the daemon cannot tell what was missed."""
        self.synced = False
        self._counts["resyncs"] += 1

    def apply(self, reply: JournalReply) -> Sequence[Change]:
        """Take a response, and say what changed.

        Raises:
            StreamGapError: responses before this one were lost; this one was not applied.
        """
        if reply.is_sentinel:
            return self._settle(reply)
        self._told += 1
        if reply.seq is None:
            return self._replace(reply)
        if not self._is_next(reply.seq):
            return ()
        if reply.purge is not None:
            return [change for id in reply.purge.jobs for change in self._purge(id, reply.seq)]
        return self._add(reply) if reply.jobspec is not None else self._change(reply)

    def _is_next(self, seq: str) -> bool:
        if self._cursor is not None:
            last, n = _number(self._cursor), _number(seq)
            if n <= last:
                return False
            if n > last + 1:
                raise StreamGapError(f"{seq} does not follow {self._cursor}")
        self._cursor = seq
        return True

    def _settle(self, reply: JournalReply) -> Sequence[Change]:
        """All that was, has been told, if nothing was lost: what was not told of is gone."""
        if reply.told != self._told:
            raise StreamGapError(f"of {reply.told} responses {self._told} came")
        self._cursor = reply.seq
        self.synced = True
        gone = [id for id in self._stale if id in self]
        self._stale = set()
        for id in gone:
            self._remove(id)
        return [Change("gone", id) for id in gone]

    # --- jobs -------------------------------------------------------------------------------

    def _replace(self, reply: JournalReply) -> Sequence[Change]:
        """A job as it is, whatever was known of it."""
        known = reply.id in self
        self._remove(reply.id)
        self._stale.discard(reply.id)
        return self._enter(reply, "changed" if known else "added")

    def _add(self, reply: JournalReply) -> Sequence[Change]:
        self._remove(reply.id)
        return self._enter(reply, "added")

    def _enter(self, reply: JournalReply, kind: Kind) -> Sequence[Change]:
        job = Job(reply.id, jobspec.parse(reply.jobspec), b"")
        self._active[job.id] = job
        self._states[job.state] += 1
        return [Change(kind, job.id), *self._move(job, reply)]

    def _change(self, reply: JournalReply) -> Sequence[Change]:
        job = self._active.get(reply.id)
        if job is None:
            self._report("unknown job", reply.id, reply.seq)
            return ()
        return [Change("changed", job.id), *self._move(job, reply)]

    def _move(self, job: Job, reply: JournalReply) -> Sequence[Change]:
        """Let events happen to a job; one that has ended is attributes from then on."""
        self._states[job.state] -= 1
        for event in reply.events:
            job.apply(event.timestamp, event.name, event.context)
        if reply.R is not None:
            job.ranks = resource_set.parse(msgspec.json.encode(reply.R)).ranks
        job.moves.clear()
        self._states[job.state] += 1
        return self._retire(job) if job.state is State.INACTIVE else ()

    def _retire(self, job: Job) -> Sequence[Change]:
        del self._active[job.id]
        self._inactive[job.id] = attributes(job, {*self._attrs, "result"})
        self._results[job.result] += 1
        if self._max_inactive is None:
            return ()
        heapq.heappush(self._ends, (job.t_clean, job.id))
        return self._evict(self._max_inactive)

    def _evict(self, limit: int) -> Sequence[Change]:
        changes = []
        while len(self._inactive) > limit:
            _, id = heapq.heappop(self._ends)
            if self._remove(id):
                self._counts["evicted"] += 1
                self._elsewhere += 1
                changes.append(Change("evicted", id))
        return changes

    def _purge(self, id: int, seq: str) -> Sequence[Change]:
        if id in self._active:
            self._report("purge of an active job", id, seq)
            return ()
        if self._remove(id):
            self._counts["purged"] += 1
            return [Change("purged", id)]
        if self._elsewhere:  # as far as can be told without a list of those
            self._elsewhere -= 1
        elif self.synced:  # else it went before it was told of
            self._report("purge of an unknown job", id, seq)
        return ()

    def _remove(self, id: int) -> bool:
        """Forget a job. Returns whether it was inactive."""
        job = self._active.pop(id, None)
        if job is not None:
            self._states[job.state] -= 1
            return False
        kept = self._inactive.pop(id, None)
        if kept is None:
            return False
        self._states[State.INACTIVE] -= 1
        self._results[Result(kept["result"])] -= 1
        if len(self._ends) > 2 * len(self._inactive) + 1024:
            self._ends = [end for end in self._ends if end[1] in self._inactive]
            heapq.heapify(self._ends)
        return True

    def _report(self, what: Oddity, id: int, seq: str | None) -> None:
        self._counts["anomalies"] += 1
        self._on_anomaly(Anomaly(what, id, seq or ""))


def _number(cursor: str) -> int:
    """The number in a cursor of the journal."""
    _, _, digits = cursor.partition(".")
    if not digits.isdecimal():
        raise FormatError(f"{cursor!r} is not a cursor of the journal")
    return int(digits)
