"""The tables and keys that this version obeys: a key is one annotated line, and no key is idle.

A key whose feature does not exist is not here, so that it is refused by name instead of being
accepted and forgotten. To add one, write its line: name, type, Kind, and RESTART if a running
daemon cannot take it over; one without a default has to be set. A table within a table is its
type alone; with `| None` its being there is a switch, with Rows it may be there many times, and
with Named under many names.
etc/jobmgrd.toml explains each to users, which a test demands.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from jobmgrd.config import kinds
from jobmgrd.config.queue_tables import PolicyTable, Queue, Resource
from jobmgrd.config.table import RESTART, Named, Rows, Table
from jobmgrd.jobs.queues import QueueConfig
from jobmgrd.jobs.retention import UNLIMITED, Limits
from jobmgrd.jobs.rules import RULES_MAX, Rule
from jobmgrd.jobs.site_command import SiteCommand
from jobmgrd.limits import Limits as PeerLimits
from jobmgrd.logs import Format, Level
from jobmgrd.plugins.guard import Source
from protocol.job import Result

Durability = Literal["full", "os"]
ArchiveFormat = Literal["sqlite"]
OnStop = Literal["terminate", "leave"]

PLUGINS_MAX: Final = 64

PEER_MAX: Final = 2**20
"""More requests, streams or topics of one client than this are no limit."""


class Daemon(Table, frozen=True):
    """Where the daemon lives and how it logs; None is the user's default directory."""

    rundir: Annotated[Path | None, kinds.PATH, RESTART] = None
    statedir: Annotated[Path | None, kinds.PATH, RESTART] = None
    log_level: Annotated[Level, kinds.choice(*get_args(Level))] = "info"
    log_format: Annotated[Format, kinds.choice(*get_args(Format))] = "auto"


class Rpc(Table, frozen=True):
    """Where requests arrive, as templates of endpoints, and what one client may ask for; bytes."""

    bind: Annotated[tuple[str, ...], kinds.ENDPOINTS, RESTART] = ("ipc://{{rundir}}/rpc",)
    max_message_size: Annotated[int, kinds.size(low=4096), RESTART] = 4 * 2**20
    requests_per_peer: Annotated[int, kinds.count(low=1, high=PEER_MAX)] = 65536
    streams_per_peer: Annotated[int, kinds.count(low=1, high=PEER_MAX)] = 65536
    request_bytes_per_peer: Annotated[int, kinds.size(low=4096)] = 64 * 2**20
    queued_bytes_per_peer: Annotated[int, kinds.size(low=4096)] = 64 * 2**20


class Events(Table, frozen=True):
    """Where events are published, as templates of endpoints, and which."""

    bind: Annotated[tuple[str, ...], kinds.ENDPOINTS, RESTART] = ("ipc://{{rundir}}/events",)
    job_state: Annotated[bool, kinds.FLAG] = False
    subscriptions_per_peer: Annotated[int, kinds.count(low=1, high=PEER_MAX)] = 1024


class Curve(Table, frozen=True):
    """The daemon's own key, and the directory of its clients' public ones, for tcp:// endpoints."""

    secret_key: Annotated[Path | None, kinds.PATH, RESTART] = None
    clients: Annotated[Path | None, kinds.PATH] = None


class Role(Table, frozen=True):
    """Who has a role, by user and by group (flux-config-access(5))."""

    users: Annotated[frozenset[int], kinds.USERS] = frozenset()
    groups: Annotated[frozenset[int], kinds.GROUPS] = frozenset()


class Roles(Table, frozen=True):
    """The roles that guests may have (flux-config-access(5))."""

    admin: Role = Role()


class Access(Table, frozen=True):
    """Who but the owner may connect, and what guests may see (flux-config-access(5)).

    `admins` are guests whom the private mode does not concern.
    """

    allow_guest_user: Annotated[bool, kinds.FLAG] = False
    allow_root_owner: Annotated[bool, kinds.FLAG] = False
    private_mode: Annotated[bool, kinds.FLAG] = False
    admins: Annotated[frozenset[int], kinds.USERS] = frozenset()
    roles: Roles = Roles()


class Heartbeat(Table, frozen=True):
    """Seconds between two pulses (flux-config-heartbeat(5))."""

    period: Annotated[float, kinds.duration(positive=True)] = 2.0


class TombstoneLimit(Table, Limits, frozen=True):
    """How long ids of purged jobs are remembered, in seconds since the purge, and how many."""

    age: Annotated[float, kinds.AGE_LIMIT] = UNLIMITED
    num: Annotated[int, kinds.NUM_LIMIT] = 1_000_000


class Archive(Table, frozen=True):
    """Where jobs are written before they are purged, as a template of a path, and how."""

    path: Annotated[str, kinds.STATE_FILE, RESTART] = "{{statedir}}/archive.sqlite"
    format: Annotated[ArchiveFormat, kinds.choice(*get_args(ArchiveFormat)), RESTART] = "sqlite"


class Retention(Table, frozen=True):
    """A retention rule as it is written; without limits of its own, the global ones hold.

    A rule that says nothing to match matches every job that no rule before it did: it is useful
    as the last.
    """

    name: Annotated[str, kinds.name("default", "pinned", "held")]
    result: Annotated[frozenset[Result], kinds.one_or_more(kinds.RESULT)] = frozenset()
    queue: Annotated[frozenset[str], kinds.one_or_more(kinds.QUEUE)] = frozenset()
    userid: Annotated[frozenset[int], kinds.one_or_more(kinds.USERID)] = frozenset()
    age_limit: Annotated[float, kinds.AGE_LIMIT] = UNLIMITED
    num_limit: Annotated[int, kinds.NUM_LIMIT] = UNLIMITED

    def rule(self) -> Rule:
        """The rule as the domain takes it."""
        limits = Limits(self.age_limit, self.num_limit)
        return Rule(self.name, self.result, self.queue, self.userid, limits)


class Plugin(Table, frozen=True):
    """A plugin and what it is given; see docs/plugins.md."""

    load: Annotated[str, kinds.PLUGIN]
    conf: Annotated[Mapping[str, Any], kinds.TABLE] = {}

    def source(self) -> Source:
        """The plugin as it is loaded."""
        return Source(self.load, self.conf)


class Prolog(Table, frozen=True):
    """A command that runs before each job's tasks; seconds, and a timeout of 0.0 is none."""

    command: Annotated[tuple[str, ...], kinds.COMMAND]
    timeout: Annotated[float, kinds.TIMEOUT] = 1800.0
    kill_timeout: Annotated[float, kinds.SECONDS] = 60.0
    cancel_on_exception: Annotated[bool, kinds.FLAG] = True

    @property
    def site_command(self) -> SiteCommand:
        """The command as the engine takes it."""
        return SiteCommand(self.command, self.timeout, self.kill_timeout, self.cancel_on_exception)


class Epilog(Table, frozen=True):
    """A command that runs after each job's tasks; seconds, and a timeout of 0.0 is none."""

    command: Annotated[tuple[str, ...], kinds.COMMAND]
    timeout: Annotated[float, kinds.TIMEOUT] = 0.0
    kill_timeout: Annotated[float, kinds.SECONDS] = 60.0

    @property
    def site_command(self) -> SiteCommand:
        """The command as the engine takes it."""
        return SiteCommand(self.command, self.timeout, self.kill_timeout)


class Housekeeping(Table, frozen=True):
    """A command that runs after each job, before its resources are given to others."""

    command: Annotated[tuple[str, ...], kinds.COMMAND]


class JobManager(Table, frozen=True):
    """How long ended jobs stay (flux-config-job-manager(5)); seconds, and -1 is unlimited.

    `purge_budget` is the time one heartbeat's purging may take; None follows the heartbeat.
    `retention` holds for the jobs that its rules match, the first that does, within the limits
    over all jobs. Without `archive`, purged jobs are not written anywhere. `prolog`, `epilog` and
    `housekeeping` run if they are there.
    """

    inactive_age_limit: Annotated[float, kinds.AGE_LIMIT] = UNLIMITED
    inactive_num_limit: Annotated[int, kinds.NUM_LIMIT] = UNLIMITED
    active_jobs_per_user: Annotated[int, kinds.NUM_LIMIT] = UNLIMITED
    eventlog_size_per_job: Annotated[int, kinds.size(low=4096)] = 2**20
    purge_budget: Annotated[float | None, kinds.duration(positive=True)] = None
    stop_queues_on_restart: Annotated[bool, kinds.FLAG, RESTART] = False
    tombstone_limit: TombstoneLimit = TombstoneLimit()
    archive: Annotated[Archive | None, RESTART] = None
    prolog: Annotated[Prolog | None, None] = None
    epilog: Annotated[Epilog | None, None] = None
    housekeeping: Annotated[Housekeeping | None, None] = None
    retention: Annotated[tuple[Rule, ...], Rows(Retention, Retention.rule, RULES_MAX)] = ()
    plugins: Annotated[tuple[Source, ...], Rows(Plugin, Plugin.source, PLUGINS_MAX, "load")] = ()

    @property
    def limits(self) -> Limits:
        """The two limits as the retention policy takes them."""
        return Limits(self.inactive_age_limit, self.inactive_num_limit)


class Store(Table, frozen=True):
    """Where jobs are kept, as a template of a path, and what an answer promises."""

    path: Annotated[str, kinds.STATE_FILE, RESTART] = "{{statedir}}/jobs.sqlite"
    durability: Annotated[Durability, kinds.choice(*get_args(Durability)), RESTART] = "full"


class Metrics(Table, frozen=True):
    """Where Prometheus may ask, as a template of a local address; None is nowhere."""

    bind: Annotated[str | None, kinds.LOCAL_ADDRESS, RESTART] = None


class Exec(Table, frozen=True):
    """Seconds from SIGTERM to SIGKILL, what a stop does, and bytes kept with a job."""

    kill_timeout: Annotated[float, kinds.duration(), RESTART] = 5.0
    on_stop: Annotated[OnStop, kinds.choice(*get_args(OnStop)), RESTART] = "terminate"
    output_limit: Annotated[int, kinds.size(), RESTART] = 10 * 2**20
    input_limit: Annotated[int, kinds.size()] = 2**20


class Config(Table, frozen=True):
    """A whole checked configuration."""

    daemon: Daemon = Daemon()
    rpc: Rpc = Rpc()
    events: Events = Events()
    curve: Curve = Curve()
    access: Access = Access()
    heartbeat: Heartbeat = Heartbeat()
    job_manager: JobManager = JobManager()
    store: Store = Store()
    metrics: Metrics = Metrics()
    exec: Exec = Exec()
    resource: Resource = Resource()
    policy: PolicyTable = PolicyTable()
    queues: Annotated[Mapping[str, QueueConfig], Named(Queue, Queue.queue)] = {}

    @property
    def limits(self) -> PeerLimits:
        """What one client, and one user, may have of the daemon."""
        return PeerLimits(
            requests=self.rpc.requests_per_peer,
            streams=self.rpc.streams_per_peer,
            subscriptions=self.events.subscriptions_per_peer,
            message_size=self.rpc.max_message_size,
            request_bytes=self.rpc.request_bytes_per_peer,
            queued_bytes=self.rpc.queued_bytes_per_peer,
            active_jobs=self.job_manager.active_jobs_per_user,
            eventlog=self.job_manager.eventlog_size_per_job,
        )

    @property
    def purge_budget(self) -> float:
        """Seconds that one heartbeat's purging may take: a quarter of the period if not set."""
        budget = self.job_manager.purge_budget
        return self.heartbeat.period / 4 if budget is None else budget
