"""The port to the store: what the daemon asks of whatever keeps its jobs.

A store keeps active jobs (a row each, replaced as they change), inactive jobs in their order of
ending, tombstones of purged jobs, the purge log, and counters. It answers in the order asked:
a call sees every call made before it. What it has acknowledged is durable; what failed changed
nothing. Reads never wait for history to be loaded: nothing per inactive job is in memory.

Every method may raise StoreError. Writes are grouped by the store: many calls, one commit.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

from msgspec import Struct, field

from jobmgrd.histogram import Histogram
from jobmgrd.jobs.retention import Candidate, History, Limits
from protocol.constraint import TRUE, Constraint

T = TypeVar("T")

Listed: TypeAlias = Mapping[str, Any]
"""The id of an inactive job, and those of the attributes asked for that it has (RFC 43)."""


class StoreError(Exception):
    """The store could not do it; `errnum` is ENOSPC, EIO, EROFS or another POSIX errno."""

    def __init__(self, errnum: int, text: str) -> None:
        super().__init__(errnum, text)
        self.errnum = errnum
        self.text = text

    def __str__(self) -> str:
        return self.text


class StoreLockedError(StoreError):
    """Another daemon uses the store; the text says which (EBUSY)."""


class ActiveRow(Struct, frozen=True):
    """An active job as it is kept: replaying `eventlog` gives its state back (RFC 21)."""

    id: int
    userid: int
    jobspec: bytes  # JSON as submitted (RFC 25)
    R: bytes | None  # JSON (RFC 20), once resources were allocated
    eventlog: bytes  # RFC 18 entries, a line each


class InactiveRow(Struct, frozen=True):
    """An inactive job as it is kept. Times are UNIX time; 0.0 is "never"."""

    id: int
    userid: int
    urgency: int
    priority: int
    t_submit: float
    t_run: float
    t_cleanup: float
    t_clean: float
    result: int  # protocol.job.Result
    status: int  # wait status of the finish event; -1 if the job never started
    name: str
    queue: str
    rule: int  # retention class (jobmgrd.jobs.retention)
    jobspec: bytes
    R: bytes | None
    eventlog: bytes
    t_depend: float = 0.0
    t_priority: float = 0.0
    t_sched: float = 0.0
    attrs: str = "[]"  # JSON of what else lists say of it (jobmgrd.store.listed)
    fate: int | None = None  # of jobmgrd.jobs.outcome


class Query(Struct, frozen=True):
    """Which inactive jobs to list, and what to tell of them."""

    constraint: Constraint = TRUE
    since: float = 0.0  # those with t_clean > since (UNIX time)
    attrs: Sequence[str] = ()  # besides the id


class OutputRow(Struct, frozen=True):
    """A piece of a job's output, or input: RFC 24 eventlog entries, a line each."""

    id: int
    data: bytes


class Streams(Struct, frozen=True):
    """What a job wrote, and what was written to its stdin: RFC 24 entries, a line each."""

    output: bytes = b""
    input: bytes = b""


class Pin(Struct, frozen=True):
    """A job that somebody wants kept. Times are UNIX time; `until` 0.0 is for ever."""

    id: int
    reason: str
    until: float
    userid: int
    t: float


class Orphan(Struct, frozen=True):
    """A record that could not be replayed at start: it was put aside as it was found."""

    row: ActiveRow
    reason: str
    t: float


class Changes(Struct, frozen=True):
    """What one commit of the engine carries; all of it is kept, or none.

    A job is in at most one of `active` and `ended`. `ended` removes the active row. `rules` moves
    inactive jobs to other retention classes (a pin, a dependency, a rule that changed); ids that
    are not inactive are passed over. `pins` sets pins, and removes those that are None. `orphans`
    moves active rows aside.
    `published` is the highest purge-log seq whose event went out; it need not be durable soon.
    """

    active: Sequence[ActiveRow] = ()
    ended: Sequence[InactiveRow] = ()
    output: Sequence[OutputRow] = ()
    input: Sequence[OutputRow] = ()
    rules: Mapping[int, int] = {}  # id -> retention class
    pins: Mapping[int, Pin | None] = {}
    orphans: Sequence[Orphan] = ()
    meta: Mapping[str, bytes] = {}
    published: int = 0


class PurgeRecord(Struct, frozen=True):
    """One committed batch of the purge log."""

    seq: int
    t: float
    jobs: tuple[int, ...]
    reason: str
    userid: int


class Tombstone(Struct, frozen=True):
    """What is left of a purged job."""

    id: int
    seq: int
    t_purged: float
    reason: str
    result: int
    t_clean: float
    userid: int | None = None  # None, and so fate: purged by a version that did not keep it
    fate: int | None = None  # of jobmgrd.jobs.outcome


class Total(Struct, frozen=True):
    """How many jobs ended on a day; purging them does not change it."""

    day: int  # of t_clean, in days since 1970-01-01 UTC
    queue: str
    result: int
    n: int


class Count(Struct, frozen=True):
    """How many jobs of a queue have ended so, and how many of them are still kept."""

    queue: str
    result: int
    ended: int
    kept: int


class Recovered(Struct, frozen=True):
    """What a store gives back when it is opened; its size does not depend on history."""

    active: Sequence[ActiveRow]
    max_jobid: int  # the highest id ever kept, purged or not
    meta: Mapping[str, bytes]
    unpublished: Sequence[PurgeRecord]  # committed, perhaps not announced
    pins: Sequence[Pin] = ()
    epoch: str = ""  # names this history: a store that is restored begins another one


class StoreStats(Struct, frozen=True):
    """Counters that cost nothing to read."""

    inactive: int  # jobs kept, held ones included
    held: int
    purged: int  # ever
    purge_seq: int  # of the last committed batch; 0 if there was none
    commits: int
    commit_seconds: float  # spent in commits, for a mean
    size: int  # bytes of the store's files, as of the last commit or checkpoint
    free: int  # bytes of these that hold nothing and go back step by step
    purge_log_from: int = 1  # the first seq whose record is still whole
    tombstones: int = 0
    orphans: int = 0
    writes: int = 0  # asked for; a commit carries one or many
    commit_times: Histogram = field(default_factory=Histogram)
    reserve: bool = True  # room for a purge on a full disk is set aside


class Facts(Struct, frozen=True):
    """What a retention class is told from."""

    id: int
    result: int
    queue: str
    userid: int


Classify = Callable[[Facts], int]
"""The retention class of an inactive job, decided inside a transaction."""

Decide = Callable[[History], Sequence[Candidate]]
"""A pure decision made inside the transaction that carries it out."""


class Store(Protocol):
    """The port. One event loop uses it; all coroutines and futures belong to that loop."""

    async def open(self) -> Recovered:
        """Open or create the store, and take its lock; one without an epoch is given one.

        Raises:
            StoreLockedError: a living daemon uses it.
            StoreError: it cannot be opened, is corrupt, or was written by a newer version.
        """

    def write(self, changes: Changes) -> "asyncio.Future[None]":
        """Keep these changes; the future is done when they are durable.

        The future fails with StoreError: EAGAIN when far too much is waiting to be written,
        EEXIST when a job ends that has ended before, ESHUTDOWN when the store is not open.
        Cancelling it leaves open whether the changes are kept.
        """

    async def purge(
        self, decide: Decide, *, now: float, reason: str, userid: int
    ) -> PurgeRecord | None:
        """Remove the jobs that `decide` chooses: rows, output, input; leave tombstones, a record.

        One call is one transaction, exact against any number of others under way. Returns the
        log record, or None if nothing was chosen. What `decide` raises is raised here, and changes
        nothing. It chooses among the candidates that its history gives; others are passed over.
        Cancelling the call leaves open whether it took effect: if it did, the next `open` gives its
        record as unpublished.
        """

    async def inspect(self, question: Callable[[History], T]) -> T:
        """Answer a question about the history without changing it."""

    async def find(self, id: int) -> InactiveRow | Tombstone | None:
        """The inactive job with this id, what is left of it, or None if it was never kept."""

    async def recent(
        self, limit: int, before: float = float("inf"), before_id: int = 0
    ) -> Sequence[InactiveRow]:
        """At most `limit` inactive jobs, the last to end first.

        Those with (t_clean, id) < (before, before_id): the last row of a page begins the next one
        without losing jobs that ended at the same instant.
        """

    async def submitted(self, userid: int, limit: int) -> Sequence[int]:
        """The ids of at most `limit` inactive jobs of a user, the highest first."""

    def list(self, query: Query, page: int) -> AsyncGenerator[Sequence[Listed], None]:
        """The inactive jobs that a query asks for, the last to end first, by pages.

        Read as the iterator goes: a job that ends or is purged meanwhile may or may not be among
        them, none is twice. A page has 1 to `page` jobs; memory, and the delay of other calls,
        depend on nothing else.
        """

    async def counts(self) -> Sequence[Count]:
        """The jobs that ever ended, and those of them that are kept, by queue and result."""

    async def rows(self, ids: Sequence[int]) -> Sequence[InactiveRow]:
        """Those of these jobs that are inactive, in no particular order."""

    async def streams(self, ids: Sequence[int], room: int) -> Mapping[int, Streams]:
        """`output` and `input` of the first of these jobs: as many as fit in `room` bytes, but one.

        `ids` ascend; those that are not among the answer are to be asked for again.
        """

    async def output(self, id: int) -> bytes:
        """All output kept with a job, active or not: RFC 24 entries, a line each."""

    async def input(self, id: int) -> bytes:
        """All that is kept of what was written to a job's stdin, as `output`."""

    async def purge_log(self, since: int, limit: int) -> Sequence[PurgeRecord]:
        """At most `limit` records with seq > since, in order; those of long ago are gone."""

    async def reclass(self, after: int, limit: int, classify: Classify) -> int | None:
        """Class at most `limit` more inactive jobs anew, in one transaction; held jobs stay held.

        `after` is a cursor: 0 at first, then what the last call returned; None is the end. A call
        may class none and yet not be the last. Jobs that end meanwhile may or may not be passed.
        What `classify` raises is raised here, and changes nothing.
        """

    async def orphans(self) -> Sequence[Orphan]:
        """The records that were put aside, by id."""

    async def drop_orphans(self, ids: Sequence[int]) -> int:
        """Erase these of them and their output; how many there were."""

    def limit_tombstones(self, limits: Limits) -> None:
        """Keep tombstones so long (seconds since the purge) and so many, from now on.

        Trimmed a few at a time, along with later purges and while nothing is asked: the oldest
        purges first. A job without a tombstone is unknown.
        """

    async def totals(self) -> Sequence[Total]:
        """The jobs that ever ended, by day, queue and result, in that order."""

    def stats(self) -> StoreStats:
        """Counters as of the last commit."""

    async def close(self) -> None:
        """Finish what was asked for, release the lock. Idempotent."""
