"""The tables about nodes, queues and policy, as Flux has them (RFC 33)."""

from typing import Annotated, Final

from jobmgrd.config import kinds
from jobmgrd.config.table import RESTART, Rows, Table
from jobmgrd.jobs.nodes import Hosts
from jobmgrd.jobs.policy import Policy, Size
from jobmgrd.jobs.queues import QueueConfig

HOST_MAX: Final = 2**20
"""More cores or GPUs than this on one host are a typing error."""
ENTRIES_MAX: Final = 1024
"""More [[resource.config]] than this are, too."""


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

    `config` makes several nodes of it, and then says alone what each has; of these, jobs get none
    that `exclude` names, by rank or host.
    """

    cores: Annotated[int | None, kinds.count_or_auto(low=1, high=HOST_MAX), RESTART] = None
    gpus: Annotated[int, kinds.count(low=0, high=HOST_MAX), RESTART] = 0
    exclude: Annotated[str, kinds.TARGETS, RESTART] = ""
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
