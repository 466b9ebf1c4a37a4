"""Housekeeping: a command of the site after each job, before others get its resources.

The job is over meanwhile, clean and perhaps even purged; its resources stay taken (flux-core
job-manager/housekeeping.c). Which jobs' resources these are is kept, so that a restart finds them:

    FREE is due ──> kept that it is housekept, durable ──> free, clean ──> command ──> resources

N.B. A command whose end the daemon did not see is run again; so it may run twice for a job.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec
import structlog
from msgspec import Struct

from jobmgrd.exec.port import Attempt, ExecEvent, Executor, Failed, Fate, Finished, Output
from jobmgrd.jobs.job import Job
from jobmgrd.site import Site, note_output, ranks_of
from jobmgrd.store.port import Changes, Store
from protocol import jobid
from protocol.resource_set import Rank

log = structlog.get_logger()

KEY: Final = "housekeeping"
"""The name under which it is kept."""

RETRY_DELAY: Final = 0.5
"""Seconds until a failed write is tried again."""


class Kept(Struct, frozen=True):
    """Resources that are not free yet."""

    id: int
    userid: int
    ranks: tuple[Rank, ...]
    t_start: float  # UNIX time


_DECODER: Final = msgspec.json.Decoder(list[Kept])


def _read(data: bytes) -> list[Kept]:
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # their resources are free again
        log.error("housekeeping.lost", reason=str(error))
        return []


class Housekeeping:
    """The command, and the jobs that it runs for.

    Attributes:
        command: the words of the command; empty is none.
        taken: ids of jobs whose resources it durably has.
    """

    def __init__(
        self,
        executor: Executor,
        site: Site,
        store: Store,
        free: Callable[[Sequence[Rank]], None],
        clock: Callable[[], float],
    ) -> None:
        self.command: Sequence[str] = ()
        self._executor = executor
        self._site = site
        self._store = store
        self._free = free
        self._clock = clock
        self.taken: set[int] = set()
        self._kept: dict[int, Kept] = {}

    @property
    def ranks(self) -> Iterable[Sequence[Rank]]:
        """What is taken, of each job whose housekeeping is under way."""
        return [self._kept[id].ranks for id in self.taken]

    @property
    def stats(self) -> Mapping[str, Any]:
        """What runs, and the configuration, with flux-core's keys."""
        return {
            "running": {jobid.encode(id): _described(kept) for id, kept in self._kept.items()},
            "config": {"release-after": -1.0, "command": " ".join(self.command)},
        }

    def take(self, job: Job, then: Callable[[Job], None]) -> None:
        """Take a job's resources over; `then` is called once they are taken. Idempotent."""
        if job.id not in self._kept:
            ranks = tuple(job.ranks)
            self._kept[job.id] = Kept(job.id, job.userid, ranks, self._clock())
            self._keep(partial(self._taken, job, then))

    def recover(
        self,
        meta: Mapping[str, bytes],
        active: Mapping[int, Job],
        reserve: Callable[[Sequence[Rank]], None],
    ) -> None:
        """Go on where an earlier daemon ended; jobs that are active come to `take` again."""
        found = _read(meta[KEY]) if KEY in meta else []
        for kept in found:
            if kept.id not in active:
                self._kept[kept.id] = kept
                self.taken.add(kept.id)
                reserve(kept.ranks)
                fate = self._executor.resume(self._attempt(kept), 0.0)
                log.debug("housekeeping.resumed", id=kept.id, fate=fate.name)
                if fate in (Fate.LOST, Fate.NEVER_STARTED):
                    self._start(kept)
        if len(self._kept) < len(found):
            self._keep(lambda: None)

    def signal(self, signum: int, id: int | None, ranks: Collection[int] | None) -> None:
        """Send a signal to the commands of a job and of these ranks; None is all of them."""
        for kept in self._kept.values():
            there = ranks is None or any(rank.rank in ranks for rank in kept.ranks)
            if there and id in (None, kept.id):
                self._executor.signal(kept.id, signum)

    def executed(self, event: ExecEvent) -> None:
        """What the executor tells of an attempt that is no active job's."""
        kept = self._kept.get(event.id)
        if kept is None:
            return
        match event:
            case Output():
                note_output("housekeeping", event)
            case Finished(_, 0):
                self._release(kept)
            case Finished(_, status):
                self._failed(kept, f"wait status {status}")
            case Failed(_, note):
                self._failed(kept, note)

    def _taken(self, job: Job, then: Callable[[Job], None]) -> None:
        self.taken.add(job.id)
        then(job)
        self._start(self._kept[job.id])

    def _start(self, kept: Kept) -> None:
        if not self._site.stopping:
            self._executor.start(self._attempt(kept))

    def _attempt(self, kept: Kept) -> Attempt:
        return self._site.attempt(kept.id, kept.userid, kept.ranks, self.command)

    def _failed(self, kept: Kept, reason: str) -> None:
        """Drain the nodes, then release them; a command that a stop has ended runs again."""
        if not self._site.stopping:
            log.error("housekeeping.failed", id=kept.id, reason=reason)
            text = f"housekeeping failed for job {jobid.encode(kept.id)}"
            self._site.drain(kept.ranks, text, partial(self._release, kept))

    def _release(self, kept: Kept) -> None:
        del self._kept[kept.id]
        self.taken.discard(kept.id)
        self._keep(lambda: None)
        self._free(kept.ranks)

    def _keep(self, then: Callable[[], None]) -> None:
        """Write down whose resources are taken, however often it takes."""
        encoded = msgspec.json.encode(list(self._kept.values()))
        write = self._store.write(Changes(meta={KEY: encoded}))
        write.add_done_callback(partial(self._written, then))

    def _written(self, then: Callable[[], None], write: "asyncio.Future[None]") -> None:
        error = write.exception()
        if error is None:
            then()
        elif not self._site.stopping:
            log.error("housekeeping.write-failed", reason=str(error))
            asyncio.get_running_loop().call_later(RETRY_DELAY, self._keep, then)


def _described(kept: Kept) -> Mapping[str, Any]:
    ranks = ranks_of(kept.ranks)
    return {"t_start": kept.t_start, "pending": ranks, "allocated": ranks}
