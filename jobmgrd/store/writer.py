"""The one thread that writes: everything that waits is one transaction, one sync, one wake-up.

While a group is being committed the next one gathers, so the more is asked the larger the groups
are and the less a sync costs each operation. Operations are carried out in the order asked. If a
group fails it is rolled back and each of its operations is tried again in a transaction of its
own, so that a bad one fails alone and a full disk fails those that find it full. One that frees
space is then tried once more, with the reserve given up for it.
"""

import errno
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple, TypeAlias

from jobmgrd.histogram import Histogram
from jobmgrd.store.counters import Counters
from jobmgrd.store.port import StoreError, StoreStats
from jobmgrd.store.sqlite_errors import store_error, tolerate
from jobmgrd.store.transaction import Transaction
from jobmgrd.store.upkeep import Upkeep

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_FORGET_SECONDS: Final = 0.01
"""Between two steps that trim tombstones while nobody waits."""

_AGING_SECONDS: Final = 60.0
"""Between two looks at whether a tombstone has become too old."""


class Operation(NamedTuple):
    """What somebody asked for: the result goes to them, also an exception that is returned."""

    carry_out: Callable[[Transaction], Any]
    frees: bool = False  # may use the reserve


Report: TypeAlias = Callable[[Sequence[Any]], None]
"""Takes the results of a group, in the order asked; called on the writer's thread."""


class Writer:
    """Owns the writing connection from its construction until the thread has ended."""

    def __init__(
        self,
        db: sqlite3.Connection,
        path: Path,
        counters: Counters,
        clock: Callable[[], float],
        report: Report,
    ) -> None:
        self._db = db
        self._path = path
        self._counters = counters
        self._clock = clock
        self._report = report
        self._forgetting = False
        self._upkeep = Upkeep(db, path)
        self._commits = 0
        self._writes = 0
        self._times = Histogram()
        self._queue: SimpleQueue[Operation | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer")

    def start(self) -> None:
        """Begin to carry out operations."""
        self._thread.start()

    def submit(self, operation: Operation) -> None:
        """Put an operation behind those that wait; bounded by the caller."""
        self._queue.put(operation)

    def stop(self) -> None:
        """Carry out what was submitted, close the connection, and wait for the thread to end."""
        self._queue.put(None)
        self._thread.join()

    def release(self) -> None:
        """Let go of the file, once every connection to it is closed."""
        self._upkeep.close()

    def stats(self) -> StoreStats:
        """Counters as of the last commit; for any thread."""
        counters = self._counters  # replaced whole by a commit
        return StoreStats(
            inactive=counters.inactive,
            held=counters.held,
            purged=counters.purged,
            purge_seq=counters.purge_seq,
            commits=self._commits,
            commit_seconds=self._times.seconds,
            purge_log_from=counters.purge_log_from,
            tombstones=counters.tombstones,
            orphans=counters.orphans,
            size=self._upkeep.size,
            free=self._upkeep.free,
            writes=self._writes,
            commit_times=self._times,
            reserve=self._upkeep.reserved,
        )

    def _run(self) -> None:
        running = True
        while running:
            group, running = self._take()
            if group:
                results = self._carry_out(group)
                self._report(results)
                self._upkeep.between()
            elif running:
                self._forgetting = self._forget()
                if not self._forgetting:
                    self._upkeep.idle()
        self._upkeep.truncate()
        self._db.close()

    def _take(self) -> tuple[list[Operation], bool]:
        """All that waits, and whether to go on; nothing when there is time for upkeep."""
        group: list[Operation] = []
        patience = self._patience()
        try:
            operation = self._queue.get(block=patience != 0.0, timeout=patience)
            while operation is not None:
                group.append(operation)
                operation = self._queue.get_nowait()
        except Empty:
            return group, True
        return group, False

    def _patience(self) -> float | None:
        """Seconds to wait for work; None is for ever."""
        if self._forgetting:
            return _FORGET_SECONDS
        patience = self._upkeep.patience
        if patience is None and self._counters.may_forget:
            return _AGING_SECONDS
        return patience

    def _forget(self) -> bool:
        """Trim a few tombstones, if any are over the limits; whether there were."""
        if not self._counters.may_forget:
            return False
        before = self._counters.forgotten
        try:
            self._commit([Operation(Transaction.forget)])
        except sqlite3.Error:
            return False  # a full disk: the next purge makes room
        return self._counters.forgotten > before

    def _carry_out(self, group: Sequence[Operation]) -> list[Any]:
        try:
            return self._commit(group)
        except Exception as error:  # noqa: BLE001 - goes to those who asked
            if tolerate(self._db, error):
                return self._carry_out(group)
            if len(group) == 1:
                return [self._try_with_reserve(group[0], store_error(error, self._path))]
        return [result for operation in group for result in self._carry_out([operation])]

    def _try_with_reserve(self, operation: Operation, error: StoreError) -> Any:  # noqa: ANN401
        """The result of an operation that failed with this error, after all."""
        if error.errnum not in NO_ROOM or not operation.frees:
            return error
        self._upkeep.give_up_reserve()
        try:
            return self._commit([operation])[0]
        except Exception as again:  # noqa: BLE001 - goes to who asked
            return store_error(again, self._path)
        finally:  # before anybody knows: others want the room, too
            self._upkeep.make_reserve()

    def _commit(self, group: Sequence[Operation]) -> list[Any]:
        start = time.monotonic()
        self._db.execute("BEGIN IMMEDIATE")
        try:
            transaction = Transaction(self._db, self._counters, self._clock)
            results = [operation.carry_out(transaction) for operation in group]
            transaction.flush()
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        before, self._counters = self._counters, transaction.counters
        self._upkeep.note_commit(freed=self._counters.erased > before.erased)
        self._commits += 1
        self._writes += len(group)
        self._times.observe(time.monotonic() - start)
        return results
