"""A store that fails where a test says: it kills the process at a step of a purge, or refuses it.

    "before"     purge() is called, nothing is done
    "inside"     within the transaction, once it is decided which jobs go
    "committed"  the purge is durable, and its caller does not know
    "told"       its caller knows

Each is the name of a point at which the process ends by SIGKILL, as a crash would end it.
"""

import asyncio
import os
import signal
from collections.abc import Sequence
from typing import Any, Literal, NoReturn, TypeAlias, cast

from jobmgrd.jobs.retention import Candidate, History
from jobmgrd.store.port import Decide, PurgeRecord, Store, StoreError

Point: TypeAlias = Literal["before", "inside", "committed", "told"]


class FaultyStore:
    """Passes everything on to a store; see faulty().

    Purges that choose nothing are not counted.
    """

    def __init__(self, store: Store, kill_at: Point | None, nth: int, turns: int) -> None:
        self._store = store
        self._kill_at = kill_at
        self._left = nth
        self._turns = turns
        self._errnum = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the store has
        return getattr(self._store, name)

    def fail_purge(self, errnum: int) -> None:
        """Let every purge fail with this errno and change nothing, until it is set to 0."""
        self._errnum = errnum

    async def purge(
        self, decide: Decide, *, now: float, reason: str, userid: int
    ) -> PurgeRecord | None:
        """As the store does, as far as it comes."""
        if self._errnum:
            raise StoreError(self._errnum, os.strerror(self._errnum))
        if self._due("before"):
            die()

        def decide_and_die(history: History) -> Sequence[Candidate]:
            chosen = decide(history)
            if chosen and self._due("inside"):
                die()
            return chosen

        record = await self._store.purge(decide_and_die, now=now, reason=reason, userid=userid)
        if record is None:
            return None
        if self._due("committed"):
            die()
        if self._due("told"):
            _die_later(asyncio.get_running_loop(), self._turns)
        self._left -= 1
        return record

    def _due(self, point: Point) -> bool:
        return self._kill_at == point and self._left == 1


def faulty(
    store: Store, kill_at: Point | None = None, nth: int = 1, turns: int = 1
) -> tuple[Store, FaultyStore]:
    """A store as the port has it, and the same as what can be told to fail.

    Args:
        store: what keeps the jobs.
        kill_at: where the process ends, if at all.
        nth: in which purge that chooses something; the first is 1.
        turns: of the event loop between the caller being told and the end.
    """
    made = FaultyStore(store, kill_at, nth, turns)
    return cast("Store", made), made


def die() -> NoReturn:
    """End the process as kill -9 does, from any thread."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


def _die_later(loop: asyncio.AbstractEventLoop, turns: int) -> None:
    if turns == 0:
        die()
    loop.call_soon(_die_later, loop, turns - 1)
