"""Requests and replies of job-manager: one struct each, fields named as on the wire."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from protocol.job import URGENCY_DEFAULT
from protocol.plugins import PluginStats


class SubmitRequest(Struct, frozen=True):
    """job-ingest.submit: a signed J (RFC 39) or, ours, a plain jobspec object (RFC 25)."""

    J: str | None = None
    jobspec: Mapping[str, Any] | None = None
    urgency: int = URGENCY_DEFAULT
    flags: int = 0


class SubmitReply(Struct, frozen=True):
    """The new job's id; the job is durable."""

    id: int


class PurgeRequest(Struct, frozen=True):
    """job-manager.purge: limits in seconds and jobs, -1 is unlimited (purge.c)."""

    age_limit: float = -1.0
    num_limit: int = -1
    batch: int = 100
    force: bool = False
    attrs: Sequence[str] | None = None  # list the jobs, with these attributes


class PurgeIdRequest(Struct, frozen=True):
    """job-manager.purge-id: one id, or several; without force only their number is answered."""

    id: int | None = None
    ids: Sequence[int] | None = None
    force: bool | int = False


class PurgeReply(Struct, frozen=True, omit_defaults=True):
    """How many jobs went, or would go; `seq` is the purge-log record of what went."""

    count: int
    seq: int | None = None
    jobs: Sequence[Mapping[str, Any]] | None = None  # with id, t_clean, reason and the attrs


class GetattrRequest(Struct, frozen=True):
    """job-manager.getattr: some of jobspec, R and eventlog."""

    id: int
    attrs: Sequence[str]


class GetinfoReply(Struct, frozen=True):
    """job-manager.getinfo."""

    max_jobid: int


class RaiseRequest(Struct, frozen=True):
    """job-manager.raise: an exception of a type without white space and a severity of 0 to 7.

    `wait_status` is that of the task that causes it, which the job's own then follows; a negative
    one is none.
    """

    id: int
    severity: int
    type: str
    note: str = ""
    wait_status: int = -1


class RaiseallRequest(Struct, frozen=True):
    """job-manager.raiseall: an exception for every job of a user in one of these states."""

    dry_run: bool
    userid: int  # 2^32 - 1: of all users
    states: int
    severity: int
    type: str
    note: str = ""


class KillallRequest(Struct, frozen=True):
    """job-manager.killall: a signal for every running job of a user."""

    dry_run: bool
    userid: int  # 2^32 - 1: of all users
    signum: int


class AllReply(Struct, frozen=True):
    """How many jobs raiseall or killall is, or would be, about, and for how many it failed."""

    count: int
    errors: int = 0


class KillRequest(Struct, frozen=True):
    """job-manager.kill: a signal for a running job's processes."""

    id: int
    signum: int


class HousekeepingKillRequest(Struct, frozen=True):
    """job-manager.housekeeping-kill: a signal for commands after a job, or on ranks (RFC 22)."""

    signum: int
    jobid: int | None = None  # None: of every job
    ranks: str | None = None


class UrgencyRequest(Struct, frozen=True):
    """job-manager.urgency: 0 holds, 31 expedites."""

    id: int
    urgency: int


class UrgencyReply(Struct, frozen=True):
    """The urgency before the change."""

    old_urgency: int


class MemoRequest(Struct, frozen=True):
    """job-manager.memo: keys to set on a job; a null value removes a key.

    Those that are volatile are shown while it is active: no eventlog has them.
    """

    id: int
    memo: Mapping[str, Any]
    volatile: bool = False


class UpdateRequest(Struct, frozen=True):
    """job-manager.update: new values in the jobspec, by path (RFC 21 jobspec-update)."""

    id: int
    updates: Mapping[str, Any]


class WaitRequest(Struct, frozen=True):
    """job-manager.wait: a waitable job; 2^64 - 1 is any of them."""

    id: int


class WaitReply(Struct, frozen=True):
    """How a waitable job ended; this is told once."""

    id: int
    success: bool
    errstr: str


class ListRequest(Struct, frozen=True):
    """job-manager.list: at most so many active jobs; 0 is all of them."""

    max_entries: int


class ListReply(Struct, frozen=True):
    """Each with id, userid, urgency, priority, t_submit, state and, if it has any, annotations."""

    jobs: Sequence[Mapping[str, Any]]


class QueueStatusRequest(Struct, frozen=True):
    """job-manager.queue-status: of a queue, or of the one without a name."""

    name: str | None = None


class QueueStatus(Struct, frozen=True, omit_defaults=True):
    """Whether a queue takes jobs, whether they are scheduled, and why not (RFC 33)."""

    enable: bool
    start: bool
    parent: str | None = None
    blocked: str | None = None
    disable_reason: str | None = None
    stop_reason: str | None = None


class QueueEnableRequest(Struct, frozen=True):
    """job-manager.queue-enable: no name: all queues, which `all` confirms if they have names."""

    enable: bool
    all: bool
    name: str | None = None
    reason: str | None = None


class QueueStartRequest(Struct, frozen=True):
    """job-manager.queue-start: as queue-enable; `nocheckpoint` holds until a restart only."""

    start: bool
    all: bool
    name: str | None = None
    reason: str | None = None
    nocheckpoint: bool = False


class DrainRequest(Struct, frozen=True):
    """job-manager.drain, idle: ours, wait for one queue; its virtual queues are a part of it."""

    name: str | None = None


class PurgeStats(Struct, frozen=True):
    """What purging has done and is about to do."""

    seq: int  # of the last committed batch; 0: none yet
    total: int  # jobs ever purged
    last: float  # UNIX time of the last batch this daemon committed; 0.0: none yet
    running: bool  # a heartbeat's run is under way
    age_limit: float  # seconds; -1: unlimited
    num_limit: int
    backlog: int  # eligible jobs that the last heartbeat's run left
    lag: float  # seconds since the oldest of them ended
    rate: float  # jobs a second that this run purged
    blocked: str  # why it could not; empty if it could
    tombstones: int
    pins: int
    reclassing: bool  # jobs are being classed by new retention rules
    epoch: str  # in which seq counts; another one after a restore


class StoreStats(Struct, frozen=True):
    """What the store has done, and its size on disk in bytes."""

    commits: int
    commit_mean: float  # seconds
    size: int
    free: int


class ArchiveStats(Struct, frozen=True):
    """What was archived by this daemon; None without an archive."""

    path: str
    archived: int
    failures: int
    error: str  # of the last attempt; empty if it succeeded
    size: int  # bytes


class StatsReply(Struct, frozen=True):
    """job-manager.stats-get: flux-core's keys, then ours."""

    journal: Mapping[str, int]
    active_jobs: int
    inactive_jobs: int
    max_jobid: int
    housekeeping: Mapping[str, Any]
    purge: PurgeStats
    store: StoreStats
    archive: ArchiveStats | None
    totals: Mapping[str, Any]
    orphans: int
    plugins: Sequence[PluginStats]
    clock_jump: float  # seconds by which the wall clock jumped ahead and is not followed
    refused: Mapping[str, int]  # requests beyond a limit, by the limit (jobmgrd/limits.py)
