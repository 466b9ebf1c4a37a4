"""A store that fails by the dice: on any call, until a file says that it is to be calm.

a write or a purge   fails with ENOSPC, EDQUOT or EIO and changes nothing; waits behind a disk that
                     stalls; or is torn: half a frame of it is in the log when the process dies
a question           fails with EIO
"""

import asyncio
import errno
import os
import random
import struct
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, cast

from jobmgrd.store.port import Changes, Decide, PurgeRecord, Store, StoreError
from jobmgrd.store.sqlite import SqliteStore
from tests.faulty_store import die

FAILS: Final = 0.04
STALLS: Final = 0.04
TEARS: Final = 0.002
"""Chances of each, for one write or purge."""
UNREADABLE: Final = 0.02
STALL: Final = 0.1
"""Seconds at most."""

QUESTIONS: Final = frozenset(
    {"find", "rows", "output", "outputs", "recent", "purge_log", "inspect"}
)

_WAL_HEADER: Final = 32
_FRAME: Final = 24 + 4096
_MX_FRAME: Final = 16
"""Where the log's frames begin, how long one is, and where their number is (walformat.html)."""


class ScheduledFaults:
    """Passes on to an SqliteStore in the file `path` what the dice let pass."""

    def __init__(self, store: SqliteStore, path: Path, dice: random.Random, calm: Path) -> None:
        self._store = store
        self._path = path
        self._dice = dice
        self._calm = calm

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the store has
        value = getattr(self._store, name)
        return self._unreadable(value) if name in QUESTIONS else value

    def write(self, changes: Changes) -> "asyncio.Future[None]":
        """As the store does, or not."""
        error = self._throw()
        if error is None:
            return self._store.write(changes)
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        failed.set_exception(error)
        return failed

    async def purge(
        self, decide: Decide, *, now: float, reason: str, userid: int
    ) -> PurgeRecord | None:
        """As the store does, or not."""
        if (error := self._throw()) is not None:
            raise error
        return await self._store.purge(decide, now=now, reason=reason, userid=userid)

    def _throw(self) -> StoreError | None:
        """What becomes of a write: it fails, is late, dies, or nothing."""
        chance = self._dice.random()
        if chance > FAILS + STALLS + TEARS or self._calm.exists():
            return None
        if chance < FAILS:
            errnum = self._dice.choice((errno.ENOSPC, errno.EDQUOT, errno.EIO))
            self._note(errno.errorcode[errnum])
            return StoreError(errnum, os.strerror(errnum))
        if chance < FAILS + STALLS:
            seconds = self._dice.uniform(0, STALL)
            self._note("stalled")
            self._store._submit(lambda _transaction: time.sleep(seconds))
            return None
        self._tear()
        return None

    def _note(self, what: str) -> None:
        """Tell whoever looks after the daemon."""
        with self._calm.with_name("faults").open("a") as file:
            file.write(f"{what}\n")

    def _tear(self) -> None:
        """Leave a piece of a frame behind the log's last one, and die."""
        self._note("torn")
        with self._path.with_name(self._path.name + "-shm").open("rb") as index:
            index.seek(_MX_FRAME)
            (frames,) = struct.unpack("=I", index.read(4))
        with self._path.with_name(self._path.name + "-wal").open("rb+") as log:
            log.seek(_WAL_HEADER + frames * _FRAME)
            log.write(self._dice.randbytes(self._dice.randrange(1, _FRAME)))
        die()

    def _unreadable(
        self, question: Callable[..., Coroutine[Any, Any, Any]]
    ) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def ask(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - handed through
            if self._dice.random() < UNREADABLE and not self._calm.exists():
                self._note("unreadable")
                raise StoreError(errno.EIO, os.strerror(errno.EIO))
            return await question(*args, **kwargs)

        return ask


def scheduled(store: SqliteStore, path: Path, seed: int) -> Store:
    """A store as the port has it; the file "calm" beside its directory stops the faults."""
    dice = random.Random(seed + os.getpid())
    return cast("Store", ScheduledFaults(store, path, dice, path.parent.parent / "calm"))
