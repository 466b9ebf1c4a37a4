"""The store in one SQLite file, durable when answered.

    event loop ── operations ──> writer thread ── one transaction a group ──> file + log
        ^  └───── questions ───> reader thread ── a snapshot each ──────────────┘
        └── results, one wake-up a group ──┘

A question waits until the operations asked before it are committed, and for no later ones.
"""

import asyncio
import errno
import sqlite3
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from jobmgrd.jobs.retention import History, Limits
from jobmgrd.store import sqlite_reads as reads
from jobmgrd.store import statements as sql
from jobmgrd.store.epoch import EPOCH, new_epoch
from jobmgrd.store.lock import Lock
from jobmgrd.store.port import (
    Changes,
    Classify,
    Count,
    Decide,
    InactiveRow,
    Listed,
    Orphan,
    PurgeRecord,
    Query,
    Recovered,
    StoreError,
    StoreStats,
    Streams,
    Tombstone,
    Total,
)
from jobmgrd.store.schema import Durability, open_reader, open_writer
from jobmgrd.store.sqlite_errors import store_error, tolerate
from jobmgrd.store.sqlite_history import MAX_ID, SqliteHistory
from jobmgrd.store.sqlite_query import Walk, register
from jobmgrd.store.transaction import Transaction
from jobmgrd.store.writer import Operation, Writer

T = TypeVar("T")

QUEUE_MAX: Final = 10_000
"""Operations that may wait; the engine keeps two under way and a purger one each."""


class SqliteStore:
    """A jobmgrd.store.port.Store in the file `path`, its log and its lock file beside it.

    Args:
        path: the file; it and its directory are made if they are missing, for the owner alone.
        durability: "full" survives a loss of power, "os" a crash of the process.
        clock: UNIX time, by which tombstones grow old; called on the writer's thread.
    """

    def __init__(
        self,
        path: Path,
        *,
        durability: Durability = "full",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._durability = durability
        self._clock = clock
        self._lock = Lock(path.with_name(path.name + ".lock"))
        self._writer: Writer | None = None
        self._reader: sqlite3.Connection | None = None
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="store-reader")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked = 0
        self._settled = 0
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._readers: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def open(self) -> Recovered:
        """Open or create the store; see the port."""
        self._loop = asyncio.get_running_loop()
        return await self._loop.run_in_executor(self._threads, self._open)

    def write(self, changes: Changes) -> "asyncio.Future[None]":
        """Keep changes; see the port."""
        return self._submit(lambda transaction: transaction.write(changes))

    async def purge(
        self, decide: Decide, *, now: float, reason: str, userid: int
    ) -> PurgeRecord | None:
        """Remove the jobs that `decide` chooses, on the writer's thread; see the port."""
        record: PurgeRecord | None = await self._submit(
            lambda transaction: transaction.purge(decide, now, reason, userid), frees=True
        )
        return record

    async def inspect(self, question: Callable[[History], T]) -> T:
        """Answer a question about the history, on the reader's thread; see the port."""
        return await self._read(lambda db: question(SqliteHistory(db)))

    async def find(self, id: int) -> InactiveRow | Tombstone | None:
        """The inactive job or its tombstone; see the port."""
        return await self._read(partial(reads.find, id=id)) if 0 <= id <= MAX_ID else None

    async def recent(
        self, limit: int, before: float = float("inf"), before_id: int = 0
    ) -> Sequence[InactiveRow]:
        """The last jobs to end; see the port."""
        question = partial(reads.recent, limit=limit, before=before, before_id=before_id)
        return await self._read(question)

    async def submitted(self, userid: int, limit: int) -> Sequence[int]:
        """The ids of a user's inactive jobs; see the port."""
        return await self._read(partial(reads.submitted, userid=userid, limit=limit))

    async def list(self, query: Query, page: int) -> AsyncGenerator[Sequence[Listed], None]:
        """Inactive jobs page by page, on the reader's thread; see the port."""
        walk = Walk(query, page)
        await self._turn()
        while not walk.done:
            jobs = await self._ask(walk.step)
            if jobs:
                yield jobs

    async def counts(self) -> Sequence[Count]:
        """The jobs that ended and those that are kept; see the port."""
        return await self._read(reads.counts)

    async def rows(self, ids: Sequence[int]) -> Sequence[InactiveRow]:
        """Several inactive jobs; see the port."""
        return await self._read(partial(reads.rows, ids=ids))

    async def streams(self, ids: Sequence[int], room: int) -> Mapping[int, Streams]:
        """All output and input of several jobs; see the port."""
        return await self._read(partial(reads.streams, ids=ids, room=room))

    async def output(self, id: int) -> bytes:
        """All output of a job; see the port."""
        return await self._read(partial(reads.output, id=id)) if 0 <= id <= MAX_ID else b""

    async def input(self, id: int) -> bytes:
        """All that is kept of a job's input; see the port."""
        return await self._read(partial(reads.input, id=id)) if 0 <= id <= MAX_ID else b""

    async def purge_log(self, since: int, limit: int) -> Sequence[PurgeRecord]:
        """Records of the purge log; see the port."""
        return await self._read(partial(reads.purge_log, since=since, limit=limit))

    async def reclass(self, after: int, limit: int, classify: Classify) -> int | None:
        """Class some jobs anew, on the writer's thread; see the port."""
        cursor: int | None = await self._submit(
            lambda transaction: transaction.reclass(after, limit, classify)
        )
        return cursor

    async def orphans(self) -> Sequence[Orphan]:
        """The records that were put aside; see the port."""
        return await self._read(reads.orphans)

    async def drop_orphans(self, ids: Sequence[int]) -> int:
        """Erase orphans; see the port."""
        count: int = await self._submit(
            lambda transaction: transaction.drop_orphans(ids), frees=True
        )
        return count

    def limit_tombstones(self, limits: Limits) -> None:
        """Bound the tombstones from now on; see the port."""
        self._opened()
        asked = self._submit(lambda transaction: transaction.limit_tombstones(limits))
        asked.add_done_callback(asyncio.Future.exception)  # nobody waits for it

    async def totals(self) -> Sequence[Total]:
        """The jobs that ever ended, counted; see the port."""
        return await self._read(reads.totals)

    def stats(self) -> StoreStats:
        """Counters as of the last commit."""
        return self._opened().stats()

    async def close(self) -> None:
        """Finish what was asked for, release the lock. Idempotent."""
        writer, self._writer = self._writer, None
        if writer and self._loop:
            await self._loop.run_in_executor(self._threads, self._close, writer)
            await asyncio.sleep(0)  # the last group's results are already on their way
        self._threads.shutdown()

    def _open(self) -> Recovered:
        db = None
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock.acquire()
            db = open_writer(self._path, self._durability)
            recovered = reads.recover(db)
            if not recovered.epoch:
                recovered = replace(recovered, epoch=new_epoch())
                db.execute(sql.PUT_META, (EPOCH, recovered.epoch.encode()))
            self._reader = open_reader(self._path)
            register(self._reader)
            writer = Writer(db, self._path, reads.counters(db), self._clock, self._report)
        except (sqlite3.Error, OSError, StoreError) as error:
            for connection in (self._reader, db):
                if connection:
                    connection.close()
            self._lock.release()
            raise store_error(error, self._path) from error
        writer.start()
        self._writer = writer
        return recovered

    def _close(self, writer: Writer) -> None:
        """On the reader's thread, behind the questions that are being answered."""
        if self._reader:
            self._reader.close()
        writer.stop()
        writer.release()
        self._lock.release()

    def _opened(self) -> Writer:
        if self._writer is None:
            raise StoreError(errno.ESHUTDOWN, f"{self._path}: the store is not open")
        return self._writer

    def _submit(
        self, carry_out: Callable[[Transaction], Any], *, frees: bool = False
    ) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._writer is None:
            future.set_exception(StoreError(errno.ESHUTDOWN, f"{self._path}: not open"))
        elif len(self._waiting) >= QUEUE_MAX:
            future.set_exception(StoreError(errno.EAGAIN, f"{self._path}: too much to write"))
        else:
            self._asked += 1
            self._waiting.append(future)
            self._writer.submit(Operation(carry_out, frees))
        return future

    def _report(self, results: Sequence[Any]) -> None:
        """Hand a group's results to the event loop; on the writer's thread."""
        if self._loop:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._settle, results)

    def _settle(self, results: Sequence[Any]) -> None:
        self._settled += len(results)
        for result in results:
            future = self._waiting.popleft()
            if future.done():
                continue  # its caller was cancelled
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
        while self._readers and self._readers[0][0] <= self._settled:
            _, turn = self._readers.popleft()
            if not turn.done():
                turn.set_result(None)

    async def _read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        await self._turn()
        return await self._ask(question)

    async def _turn(self) -> None:
        """Wait for the operations asked so far."""
        self._opened()
        if self._settled < self._asked:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._readers.append((self._asked, turn))
            await turn

    async def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        self._opened()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._answer, question)

    def _answer(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Ask one snapshot; what the question itself raises goes to its caller."""
        db = self._reader
        if db is None:
            raise StoreError(errno.ESHUTDOWN, f"{self._path}: not open")
        try:
            db.execute("BEGIN")
            try:
                return question(db)
            finally:
                db.execute("COMMIT")
        except sqlite3.Error as error:
            if tolerate(db, error):
                return self._answer(question)
            raise store_error(error, self._path) from error
