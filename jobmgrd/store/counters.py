"""What the SQLite store's writer keeps in memory from one transaction to the next."""

from msgspec import Struct

from jobmgrd.jobs.retention import UNLIMITED, Limits


class Counters(Struct):
    """Numbers of the store, and its limits; a transaction changes its own copy."""

    inactive: int = 0
    held: int = 0
    purged: int = 0
    purge_seq: int = 0
    purge_log_from: int = 1
    forgotten: int = 0  # tombstones that were trimmed, ever
    forgotten_seq: int = 0  # purges up to this one have no tombstone left
    orphans: int = 0
    last_ord: int = 0
    tombstone_limits: Limits = Limits()

    @property
    def tombstones(self) -> int:
        """Purged jobs that are still known."""
        return self.purged - self.forgotten

    @property
    def may_forget(self) -> bool:
        """Whether a tombstone may be over the limits, now or later."""
        aging = self.tombstone_limits.age != UNLIMITED and self.tombstones > 0
        return aging or self.tombstone_limits.excess(self.tombstones) > 0

    @property
    def erased(self) -> int:
        """Deletions that free pages, ever."""
        return self.purged + self.forgotten
