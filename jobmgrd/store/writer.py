"""The one thread that writes: everything that waits is one transaction, one sync, one wake-up.

While a group is being committed the next one gathers, so the more is asked the larger the groups
are and the less a sync costs each operation. Operations are carried out in the order asked. If a
group fails it is rolled back and each of its operations is tried again in a transaction of its
own, so that a bad one fails alone and a full disk fails those that find it full.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias

from jobmgrd.store.port import StoreStats
from jobmgrd.store.sqlite_errors import store_error
from jobmgrd.store.transaction import Counters, Transaction
from jobmgrd.store.upkeep import Upkeep

Operation: TypeAlias = Callable[[Transaction], Any]
"""Its result goes to whoever asked; an exception that is returned (not raised) is theirs too."""

Report: TypeAlias = Callable[[Sequence[Any]], None]
"""Takes the results of a group, in the order asked; called on the writer's thread."""


class Writer:
    """Owns the writing connection from its construction until the thread has ended."""

    def __init__(
        self, db: sqlite3.Connection, path: Path, counters: Counters, report: Report
    ) -> None:
        self._db = db
        self._path = path
        self._counters = counters
        self._report = report
        self._upkeep = Upkeep(db, path)
        self._commits = 0
        self._commit_seconds = 0.0
        self._queue: SimpleQueue[Operation | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer")
        self.stats = self._snapshot()

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

    def _run(self) -> None:
        running = True
        while running:
            group, running = self._take()
            if group:
                purged = self._counters.purged
                results = self._carry_out(group)
                self._upkeep.note_commit(freed=self._counters.purged > purged)
                self.stats = self._snapshot()
                self._report(results)
                self._upkeep.between()
            elif running:
                self._upkeep.idle()
            self.stats = self._snapshot()
        self._upkeep.truncate()
        self._db.close()

    def _take(self) -> tuple[list[Operation], bool]:
        """All that waits, and whether to go on; nothing when there is time for upkeep."""
        group: list[Operation] = []
        patience = self._upkeep.patience
        try:
            operation = self._queue.get(block=patience != 0.0, timeout=patience)
            while operation is not None:
                group.append(operation)
                operation = self._queue.get_nowait()
        except Empty:
            return group, True
        return group, False

    def _carry_out(self, group: Sequence[Operation]) -> list[Any]:
        try:
            return self._commit(group)
        except Exception as error:  # noqa: BLE001 - goes to those who asked
            if len(group) == 1:
                return [store_error(error, self._path)]
        return [result for operation in group for result in self._carry_out([operation])]

    def _commit(self, group: Sequence[Operation]) -> list[Any]:
        start = time.monotonic()
        self._db.execute("BEGIN IMMEDIATE")
        try:
            transaction = Transaction(self._db, self._counters)
            results = [operation(transaction) for operation in group]
            transaction.flush()
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._counters = transaction.counters
        self._commits += 1
        self._commit_seconds += time.monotonic() - start
        return results

    def _snapshot(self) -> StoreStats:
        return StoreStats(
            inactive=self._counters.inactive,
            held=self._counters.held,
            purged=self._counters.purged,
            purge_seq=self._counters.purge_seq,
            commits=self._commits,
            commit_seconds=self._commit_seconds,
            size=self._upkeep.size(),
            free=self._upkeep.free,
        )
