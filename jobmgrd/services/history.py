"""job-manager.history.get: a user's jobs in the order of submission (plugins/history.c).

Ids grow with the time of submission, so that their order is that of the ids.
"""

import re
from collections.abc import Iterable, Sequence
from errno import EINVAL
from typing import Final

from msgspec import Struct

from jobmgrd.call import Call
from jobmgrd.engine import Engine
from jobmgrd.routes import Route, Scope
from jobmgrd.store.port import Store
from protocol.errors import RpcError

_SLICE: Final = re.compile(r"\[(-?\d{1,18})?:(-?\d{1,18})?(?::(-?\d{1,18})?)?\]")
_ALL: Final = 2**62


class HistoryRequest(Struct, frozen=True):
    """Which of the jobs, the newest first, as a slice that Python has: "[:3]"."""

    slice: str


class HistoryReply(Struct, frozen=True):
    """The ids."""

    jobs: Sequence[int]


class History:
    """Active jobs are the engine's, the others the store's."""

    def __init__(self, engine: Engine, store: Store) -> None:
        self._engine = engine
        self._store = store

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [Route("job-manager.history.get", HistoryRequest, self.get, scope=Scope.OWN)]

    async def get(self, call: Call, request: HistoryRequest) -> HistoryReply:
        """The caller's jobs, those that were purged left out."""
        wanted, limit = _parse(request.slice)
        userid = call.cred.userid
        active = [job.id for job in self._engine.jobs.values() if job.userid == userid]
        kept = await self._store.submitted(userid, limit)
        return HistoryReply(sorted({*active, *kept}, reverse=True)[wanted])


def _parse(text: str) -> tuple[slice, int]:
    """The slice, and how many of the newest jobs it takes at most.

    Raises:
        RpcError: EINVAL, it is none.
    """
    found = _SLICE.fullmatch(text.strip())
    if found is None or found[3] == "0":
        raise RpcError(EINVAL, "could not parse python-style slice expression")
    start, stop, step = (int(part) if part else None for part in found.groups())
    forwards = step is None or step > 0
    from_newest = forwards and (start is None or start >= 0) and stop is not None and stop >= 0
    return slice(start, stop, step), stop if from_newest and stop is not None else _ALL
