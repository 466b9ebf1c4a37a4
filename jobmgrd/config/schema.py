"""The tables and keys that this version obeys: a key is one annotated line, and no key is idle.

A key whose feature does not exist is not here, so that it is refused by name instead of being
accepted and forgotten. To add one, write its line: name, type, Kind, and RESTART if a running
daemon cannot take it over; one without a default has to be set. A table within a table is its
type alone; with `| None` its being there is a switch, with Rows it may be there many times, and
with Named under many names.
etc/jobmgrd.toml explains each to users, which a test demands.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_type_hints

from msgspec import Struct
from msgspec.structs import FieldInfo, fields

from jobmgrd.config import kinds
from jobmgrd.config.kinds import Kind
from jobmgrd.jobs.nodes import Hosts
from jobmgrd.jobs.policy import Policy, Size
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

HOST_MAX: Final = 2**20
"""More cores or GPUs than this on one host are a typing error."""
ENTRIES_MAX: Final = 1024
"""More [[resource.config]] than this are, too."""


class Effect(Enum):
    """When a changed key takes effect, if not at once."""

    RESTART = "at the next start"


RESTART: Final = Effect.RESTART


class Table(Struct, frozen=True, rename="kebab"):
    """A table; its keys are written in kebab-case."""


class Rows(Struct, frozen=True):
    """An array of at most `high` tables that differ in `key`; `build` makes values of them.

    `table` has the keys of one of them.
    """

    table: type[Table]
    build: Callable[[Any], object]
    high: int
    key: str = "name"


class Named(Struct, frozen=True):
    """A table of tables under names that the user chooses; `build` makes values of them."""

    table: type[Table]
    build: Callable[[Any], object]


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
    requests_per_peer: Annotated[int, kinds.count(low=1, high=PEER_MAX)] = 16384
    streams_per_peer: Annotated[int, kinds.count(low=1, high=PEER_MAX)] = 1024
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


class Access(Table, frozen=True):
    """Who but the owner may connect, and what guests may see (flux-config-access(5)).

    `admins` are guests whom the private mode does not concern.
    """

    allow_guest_user: Annotated[bool, kinds.FLAG] = False
    allow_root_owner: Annotated[bool, kinds.FLAG] = False
    private_mode: Annotated[bool, kinds.FLAG] = False
    admins: Annotated[frozenset[int], kinds.USERS] = frozenset()


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
    """Seconds from SIGTERM to SIGKILL, what a stop does, and bytes of output kept with a job."""

    kill_timeout: Annotated[float, kinds.duration(), RESTART] = 5.0
    on_stop: Annotated[OnStop, kinds.choice(*get_args(OnStop)), RESTART] = "terminate"
    output_limit: Annotated[int, kinds.size(), RESTART] = 10 * 2**20


class ResourceConfig(Table, frozen=True):
    """What some hosts have, or more of it (flux-config-resource(5))."""

    hosts: Annotated[tuple[str, ...], kinds.HOSTS]
    cores: Annotated[tuple[int, ...], kinds.ids(high=HOST_MAX - 1)] = ()
    gpus: Annotated[tuple[int, ...], kinds.ids(high=HOST_MAX - 1)] = ()
    properties: Annotated[tuple[str, ...], kinds.PROPERTIES] = ()

    def entry(self) -> Hosts:
        """The entry as the domain takes it."""
        return Hosts(self.hosts, self.cores, self.gpus, self.properties)


class Resource(Table, frozen=True):
    """What this host has, or pretends to have; None is every core the daemon may run on.

    `config` makes several nodes of it, and then says alone what each has.
    """

    cores: Annotated[int | None, kinds.count_or_auto(low=1, high=HOST_MAX), RESTART] = None
    gpus: Annotated[int, kinds.count(low=0, high=HOST_MAX), RESTART] = 0
    config: Annotated[
        tuple[Hosts, ...], Rows(ResourceConfig, ResourceConfig.entry, ENTRIES_MAX), RESTART
    ] = ()


class PolicySystem(Table, frozen=True):
    """What jobs get that do not ask: seconds, and the name of a queue."""

    duration: Annotated[float | None, kinds.duration_or_inf()] = None
    queue: Annotated[str | None, kinds.name()] = None


class PolicyDefaults(Table, frozen=True):
    """By the level of the jobspec's attributes."""

    system: PolicySystem = PolicySystem()


class PolicyJobspec(Table, frozen=True):
    """What jobspecs get."""

    defaults: PolicyDefaults = PolicyDefaults()


class JobSize(Table, frozen=True):
    """A limit of what a job asks for; -1 is none, None leaves it to a more general policy."""

    nnodes: Annotated[int | None, kinds.NUM_LIMIT] = None
    ncores: Annotated[int | None, kinds.NUM_LIMIT] = None
    ngpus: Annotated[int | None, kinds.NUM_LIMIT] = None

    def size(self) -> Size:
        """The limit as the domain takes it."""
        return Size(self.nnodes, self.ncores, self.ngpus)


class JobSizes(Table, frozen=True):
    """At most, and at least."""

    max: JobSize = JobSize()
    min: JobSize = JobSize()


class PolicyLimits(Table, frozen=True):
    """How long a job may run (seconds, 0.0 is no limit), and how large it may be."""

    duration: Annotated[float | None, kinds.duration_or_inf()] = None
    job_size: JobSizes = JobSizes()


class PolicyAccess(Table, frozen=True):
    """Who may submit, as userids and groupids; None leaves it to a more general policy."""

    allow_user: Annotated[frozenset[int] | None, kinds.USERS] = None
    allow_group: Annotated[frozenset[int] | None, kinds.GROUPS] = None


class PolicyTable(Table, frozen=True):
    """Defaults, limits and access (flux-config-policy(5), RFC 33)."""

    jobspec: PolicyJobspec = PolicyJobspec()
    limits: PolicyLimits = PolicyLimits()
    access: PolicyAccess = PolicyAccess()

    @property
    def policy(self) -> Policy:
        """The policy as the domain takes it."""
        system, limits = self.jobspec.defaults.system, self.limits
        return Policy(
            default_queue=system.queue,
            default_duration=system.duration,
            duration=limits.duration,
            max=limits.job_size.max.size(),
            min=limits.job_size.min.size(),
            users=self.access.allow_user,
            groups=self.access.allow_group,
        )


class Queue(Table, frozen=True):
    """A queue: the properties of its nodes or a parent, and a policy of its own (RFC 33)."""

    requires: Annotated[tuple[str, ...], kinds.PROPERTIES] = ()
    parent: Annotated[str | None, kinds.name()] = None
    policy: PolicyTable = PolicyTable()

    def queue(self) -> QueueConfig:
        """The queue as the domain takes it."""
        return QueueConfig(self.requires, self.parent, self.policy.policy)


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
            queued_bytes=self.rpc.queued_bytes_per_peer,
            active_jobs=self.job_manager.active_jobs_per_user,
        )

    @property
    def purge_budget(self) -> float:
        """Seconds that one heartbeat's purging may take: a quarter of the period if not set."""
        budget = self.job_manager.purge_budget
        return self.heartbeat.period / 4 if budget is None else budget


class Key(Struct, frozen=True):
    """A key of a table: the name in Python, what its value is, and when a change takes effect."""

    attribute: str
    value: Kind | Rows | Named | type[Table]
    restart: bool
    required: bool


@cache
def keys(table: type[Table]) -> Mapping[str, Key]:
    """The keys of a table by the name that a user writes."""
    hints = get_type_hints(table, include_extras=True)
    return {field.encode_name: _key(field, hints[field.name]) for field in fields(table)}


def _key(field: FieldInfo, hint: object) -> Key:
    notes = getattr(hint, "__metadata__", ())
    value = next((note for note in notes if isinstance(note, Kind | Rows | Named)), None) or _table(
        hint
    )
    return Key(field.name, value, restart=RESTART in notes, required=field.required)


def _table(hint: object) -> type[Table]:
    """The table in `Table`, or in `Annotated[Table | None, ...]`."""
    if isinstance(hint, type) and issubclass(hint, Table):
        return hint
    return _table(get_args(hint)[0])
