"""A store that kills its process at one step of a purge, for tests of what a crash leaves."""

import asyncio
import os
import signal
from collections.abc import Sequence
from typing import Any

from jobmgrd.jobs.retention import Candidate, History
from jobmgrd.store.port import Decide, PurgeRecord, Store


class FaultyStore:
    """Any store, until its `nth` purge comes to the step `kill_at`.

    before: nothing was done; inside: decided, in the transaction; committed: durable, and nobody
    knows; told: the caller was told, and had a tenth of a second for what it does then.
    """

    def __init__(self, store: Store, *, kill_at: str, nth: int) -> None:
        self._store = store
        self._kill_at = kill_at
        self._left = nth

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - everything else is the store's own
        return getattr(self._store, name)

    async def purge(
        self, decide: Decide, *, now: float, reason: str, userid: int
    ) -> PurgeRecord | None:
        """Purge, or die."""
        self._left -= 1
        due = self._kill_at if self._left == 0 else ""
        if due == "before":
            die()

        def decide_and_die(history: History) -> Sequence[Candidate]:
            chosen = decide(history)
            if due == "inside":
                die()
            return chosen

        record = await self._store.purge(decide_and_die, now=now, reason=reason, userid=userid)
        if due == "committed":
            die()
        if due == "told":
            asyncio.get_running_loop().call_later(0.1, die)
        return record


def die() -> None:
    """End this process as kill -9 does."""
    os.kill(os.getpid(), signal.SIGKILL)
