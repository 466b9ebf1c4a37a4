"""A store that answers some writes of a kind and forgets them: what no daemon may do."""

import asyncio
from typing import Any, Final, cast

from jobmgrd.store.port import Changes, Store

EVERY: Final = 5
"""Of so many writes of the kind one is forgotten."""


class LyingStore:
    """Passes on what is no change of this kind: a field of Changes."""

    def __init__(self, store: Store, kind: str) -> None:
        self._store = store
        self._kind = kind
        self._count = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the store has
        return getattr(self._store, name)

    def write(self, changes: Changes) -> "asyncio.Future[None]":
        """As the store does, or as if it had."""
        self._count += bool(getattr(changes, self._kind))
        if not getattr(changes, self._kind) or self._count % EVERY:
            return self._store.write(changes)
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        answered.set_result(None)
        return answered


def lying(store: Store, kind: str) -> Store:
    """A store as the port has it."""
    return cast("Store", LyingStore(store, kind))
