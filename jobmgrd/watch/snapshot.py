"""What the daemon says of itself at one moment, and what two of these say of the time between."""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from protocol.job_list import JobStats
from protocol.job_list import StatsReply as JobCounts
from protocol.job_manager import StatsReply

STATES: Final = ("depend", "priority", "sched", "run", "cleanup", "inactive")
RESULTS: Final = ("completed", "failed", "canceled", "timeout")


class Row(Struct, frozen=True):
    """A queue's jobs; the first row is all of them."""

    name: str
    pending: int
    running: int
    inactive: int
    failed: int  # ever; canceled and timed out ones, too


class Snapshot(Struct, frozen=True):
    """Counts at a time (seconds of any clock that does not jump)."""

    t: float
    jobs: JobCounts
    stats: StatsReply

    @property
    def ended(self) -> int:
        """Jobs that ever ended; a purge does not change it."""
        return sum(self.jobs.totals.values())

    @property
    def rows(self) -> Sequence[Row]:
        """All jobs, then those of each queue."""
        return [_row("all", self.jobs), *(_row(queue.name, queue) for queue in self.jobs.queues)]


class Speed(Struct, frozen=True):
    """Per second, between two snapshots."""

    ended: float = 0.0
    purged: float = 0.0
    events: float = 0.0


def speed(before: Snapshot, after: Snapshot) -> Speed:
    """How fast things went from one to the other; nothing, if the daemon was replaced meanwhile."""
    seconds = after.t - before.t
    ended = after.ended - before.ended
    purged = after.stats.purge.total - before.stats.purge.total
    events = after.stats.journal["events"] - before.stats.journal["events"]
    if seconds <= 0 or min(ended, purged, events) < 0:
        return Speed()
    return Speed(ended / seconds, purged / seconds, events / seconds)


def _row(name: str, stats: JobStats) -> Row:
    states: Mapping[str, int] = stats.job_states
    return Row(
        name=name,
        pending=states["depend"] + states["priority"] + states["sched"],
        running=states["run"] + states["cleanup"],
        inactive=states["inactive"],
        failed=sum(stats.totals[result] for result in RESULTS[1:]),
    )
