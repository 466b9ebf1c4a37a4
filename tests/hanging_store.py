"""A store on a file system that hangs: while a file is there, no call of its threads comes back."""

import time
from pathlib import Path
from typing import Any, Final, cast

from jobmgrd.store.port import Store
from jobmgrd.store.sqlite import SqliteStore
from jobmgrd.store.transaction import Transaction

_LOOK: Final = 0.02

WRITES: Final = frozenset({"write", "purge", "reclass", "drop_orphans"})
QUESTIONS: Final = frozenset({"find", "rows", "output", "outputs", "recent", "inspect"})


class HangingStore:
    """Passes on to an SqliteStore what its threads reach, once the file `hang` is gone."""

    def __init__(self, store: SqliteStore, hang: Path) -> None:
        self._store = store
        self._hang = hang

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the store has
        if self._hang.exists():
            if name in WRITES:
                self._store._submit(self._block)
            elif name in QUESTIONS:
                self._store._threads.submit(self._block)
        return getattr(self._store, name)

    async def close(self) -> None:
        """As the store does."""
        self._store._threads.submit(self._block)
        await self._store.close()

    def _block(self, _transaction: Transaction | None = None) -> None:
        """What a call into a file system that hangs does to its thread."""
        while self._hang.exists():
            time.sleep(_LOOK)


def hanging(store: SqliteStore, hang: Path) -> Store:
    """A store as the port has it."""
    return cast("Store", HangingStore(store, hang))
