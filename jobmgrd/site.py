"""What commands of the site have in common: their environment, and the nodes that they fail on."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeAlias

import structlog

from jobmgrd.exec.attempt import site_attempt
from jobmgrd.exec.port import Attempt, Output
from jobmgrd.store.port import StoreError
from protocol import idset
from protocol.resource_set import Rank

log = structlog.get_logger()

Drain: TypeAlias = Callable[[Sequence[int], str], Coroutine[Any, Any, None]]
Spawn: TypeAlias = Callable[[Coroutine[Any, Any, None]], object]


class Site:
    """Prolog, epilog and housekeeping share one. Without `connect`, no nodes are drained.

    Attributes:
        stopping: the daemon ends: nothing is begun, and what ends now was ended by that.
    """

    def __init__(self) -> None:
        self.stopping = False
        self._environ: Mapping[str, str] = {}
        self._drain: Drain | None = None
        self._spawn: Spawn | None = None

    def connect(self, environ: Mapping[str, str], drain: Drain, spawn: Spawn) -> None:
        """Say in what environment commands run, and how nodes are drained."""
        self._environ, self._drain, self._spawn = environ, drain, spawn

    def attempt(self, id: int, userid: int, ranks: Sequence[Rank], words: Sequence[str]) -> Attempt:
        """The attempt of a command for a job; without words, it does nothing."""
        return site_attempt(id, userid, ranks, words or ("true",), self._environ)

    def drain(self, ranks: Sequence[Rank], reason: str, then: Callable[[], None]) -> None:
        """Drain nodes; `then` is called when that is done, or has failed."""
        if self._drain is None or self._spawn is None:
            then()
        else:
            self._spawn(_drained(self._drain([rank.rank for rank in ranks], reason), then))


async def _drained(drain: Coroutine[Any, Any, None], then: Callable[[], None]) -> None:
    try:
        await drain
    except StoreError as error:
        log.error("site.drain-failed", reason=str(error))
    finally:
        then()


def note_output(name: str, event: Output) -> None:
    """Log what a command wrote."""
    text = event.data.decode(errors="replace").rstrip()
    if text:
        log.info("site.output", command=name, id=event.id, stream=event.stream, text=text)


def ranks_of(ranks: Sequence[Rank]) -> str:
    """The ranks as an idset (RFC 22)."""
    return idset.format([rank.rank for rank in ranks])
