"""user-limits: how many jobs a user may have active, and how many of these may run.

    [[job-manager.plugins]]
    load = "user-limits"
    conf = { max-active = 1000, max-running = 10, users = { alice = { max-running = 50 } } }

A submit beyond max-active is refused. A job beyond max-running is taken in, and waits in DEPEND
until another job of its user has ended. What has left DEPEND counts as running, so that never more
do. Without a number there is no limit. (flux-accounting's mf_priority.cpp has both.)
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Annotated, Any, Final

from msgspec import Meta, Struct, convert

from jobmgrd.plugins import JobView, Manager, hookimpl
from jobmgrd.plugins.userids import by_userid

DESCRIPTION: Final = "max-running-jobs-user-limit"
"""Of the dependency of a job that waits for another of its user."""

Limit = Annotated[int, Meta(ge=1)] | None


class Limits(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Of one user; None is unlimited."""

    max_active: Limit = None
    max_running: Limit = None


class Conf(Limits, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """The limits of all users, and of some; these are named by name or number."""

    users: Mapping[str, Limits] = {}


class Jobs:
    """The active jobs of a user: those that have a place to run, and those that wait for one."""

    def __init__(self) -> None:
        self.active: set[int] = set()
        self.placed: set[int] = set()
        self.waiting: dict[int, None] = {}  # the first comes first


class UserLimits:
    """Counts the jobs of every user who has some."""

    def __init__(self, conf: Mapping[str, Any], manager: Manager) -> None:
        self._conf = convert(conf, Conf)
        self._users = by_userid(self._conf.users)
        self._manager = manager
        self._jobs: defaultdict[int, Jobs] = defaultdict(Jobs)

    def _limits(self, userid: int) -> Limits:
        return self._users.get(userid, self._conf)

    @hookimpl
    def validate(self, job: JobView) -> str | None:
        """See Hooks; an update of a job makes no more of them."""
        limit = self._limits(job.userid).max_active
        active = self._jobs[job.userid].active if job.userid in self._jobs else ()
        if limit is not None and len(active) >= limit and job.id not in active:
            return f"user has max number of active jobs: {limit}"
        return None

    @hookimpl
    def job_new(self, job: JobView) -> None:
        """See Hooks."""
        jobs = self._jobs[job.userid]
        jobs.active.add(job.id)
        if job.state not in ("NEW", "DEPEND"):
            jobs.placed.add(job.id)

    @hookimpl
    def hold(self, job: JobView) -> str | None:
        """See Hooks."""
        limit, jobs = self._limits(job.userid).max_running, self._jobs[job.userid]
        if limit is None or job.id in jobs.placed or len(jobs.placed) < limit:
            jobs.placed.add(job.id)
            return None
        jobs.waiting[job.id] = None
        return DESCRIPTION

    @hookimpl
    def job_lost(self, job: JobView) -> None:
        """See Hooks."""
        self._ended(job)

    @hookimpl
    def inactive_add(self, job: JobView) -> None:
        """See Hooks."""
        self._ended(job)

    def _ended(self, job: JobView) -> None:
        jobs = self._jobs[job.userid]
        jobs.active.discard(job.id)
        jobs.placed.discard(job.id)
        jobs.waiting.pop(job.id, None)
        limit = self._limits(job.userid).max_running
        while jobs.waiting and (limit is None or len(jobs.placed) < limit):
            id = next(iter(jobs.waiting))
            del jobs.waiting[id]
            jobs.placed.add(id)
            self._manager.release(id, DESCRIPTION)
        if not jobs.active:
            del self._jobs[job.userid]
