"""Singletons: of the active jobs of one user with one name, one after the other.

A singleton is let go when all other active jobs of its user and name wait as singletons, too. Only
jobs that were given a name count (flux-core dependency-singleton.c).
"""

from collections import Counter
from collections.abc import Iterable
from typing import TypeAlias

from jobmgrd.jobs.job import Job

Key: TypeAlias = tuple[int, str]


class Singletons:
    """Counts jobs by user and name, from the first singleton on: without one it costs nothing.

    A job counts by the name that it was submitted with, whatever it is renamed to.
    """

    def __init__(self) -> None:
        self.counting = False
        self._keys: dict[int, Key] = {}
        self._counts: Counter[Key] = Counter()
        self._waiting: dict[Key, dict[int, None]] = {}

    def begin(self, active: Iterable[Job]) -> None:
        """Begin to count, with the jobs that are active now; nothing if it counts already."""
        if not self.counting:
            self.counting = True
            for job in active:
                self.taken(job)

    def others(self, userid: int, name: str) -> int:
        """How many active jobs a new one would have to wait for, or to queue up behind."""
        return self._counts[userid, name]

    def taken(self, job: Job) -> None:
        """A new job is active."""
        if job.jobspec.given_name:
            key = self._keys[job.id] = (job.userid, job.jobspec.given_name)
            self._counts[key] += 1

    def wait(self, job: Job) -> None:
        """An active job waits as a singleton; it is counted before or after."""
        key = self._keys.get(job.id, (job.userid, job.jobspec.given_name))
        self._waiting.setdefault(key, {})[job.id] = None

    def ended(self, id: int) -> int | None:
        """A job is not active any more; the singleton that may go now, if one may."""
        key = self._keys.pop(id, None)
        if key is None:
            return None
        self._counts[key] -= 1
        if not self._counts[key]:
            del self._counts[key]
        self._waiting.get(key, {}).pop(id, None)
        return self._next(key)

    def ready(self) -> list[int]:
        """The singletons that may go now, when they were made known in any order."""
        return [id for key in tuple(self._waiting) if (id := self._next(key)) is not None]

    def _next(self, key: Key) -> int | None:
        waiting = self._waiting.get(key)
        if not waiting:
            self._waiting.pop(key, None)
            return None
        if len(waiting) < self._counts[key]:
            return None
        first = next(iter(waiting))
        del waiting[first]
        return first
