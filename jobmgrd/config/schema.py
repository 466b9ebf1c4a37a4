"""The tables and keys that this version obeys: a key is one annotated line, and no key is idle.

A key whose feature does not exist is not here, so that it is refused by name instead of being
accepted and forgotten. To add one, write its line: name, type, Kind, and RESTART if a running
daemon cannot take it over. etc/jobmgrd.toml explains each to users, which a test demands.
"""

from collections.abc import Mapping
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal, get_args, get_type_hints

from msgspec import Struct
from msgspec.structs import fields

from jobmgrd.config import kinds
from jobmgrd.config.kinds import Kind
from jobmgrd.jobs.retention import UNLIMITED, Limits
from jobmgrd.logs import Format, Level

Durability = Literal["full", "os"]

HOST_MAX: Final = 2**20
"""More cores or GPUs than this on one host are a typing error."""


class Effect(Enum):
    """When a changed key takes effect, if not at once."""

    RESTART = "at the next start"


RESTART: Final = Effect.RESTART


class Table(Struct, frozen=True, rename="kebab"):
    """A table; its keys are written in kebab-case."""


class Daemon(Table, frozen=True):
    """Where the daemon lives and how it logs; None is the user's default directory."""

    rundir: Annotated[Path | None, kinds.PATH, RESTART] = None
    statedir: Annotated[Path | None, kinds.PATH, RESTART] = None
    log_level: Annotated[Level, kinds.choice(*get_args(Level))] = "info"
    log_format: Annotated[Format, kinds.choice(*get_args(Format))] = "auto"


class Rpc(Table, frozen=True):
    """Where requests arrive, as templates of endpoints, and how large they may be, in bytes."""

    bind: Annotated[tuple[str, ...], kinds.ENDPOINTS, RESTART] = ("ipc://{{rundir}}/rpc",)
    max_message_size: Annotated[int, kinds.size(low=4096), RESTART] = 4 * 2**20


class Events(Table, frozen=True):
    """Where events are published, as templates of endpoints, and which."""

    bind: Annotated[tuple[str, ...], kinds.ENDPOINTS, RESTART] = ("ipc://{{rundir}}/events",)
    job_state: Annotated[bool, kinds.FLAG] = False


class Heartbeat(Table, frozen=True):
    """Seconds between two pulses (flux-config-heartbeat(5))."""

    period: Annotated[float, kinds.duration(positive=True)] = 2.0


class JobManager(Table, frozen=True):
    """How long ended jobs stay (flux-config-job-manager(5)); seconds, and -1 is unlimited.

    `purge_budget` is the time one heartbeat's purging may take; None follows the heartbeat.
    """

    inactive_age_limit: Annotated[float, kinds.AGE_LIMIT] = UNLIMITED
    inactive_num_limit: Annotated[int, kinds.NUM_LIMIT] = UNLIMITED
    purge_budget: Annotated[float | None, kinds.duration(positive=True)] = None

    @property
    def limits(self) -> Limits:
        """The two limits as the retention policy takes them."""
        return Limits(self.inactive_age_limit, self.inactive_num_limit)


class Store(Table, frozen=True):
    """Where jobs are kept, as a template of a path, and what an answer promises."""

    path: Annotated[str, kinds.STATE_FILE, RESTART] = "{{statedir}}/jobs.sqlite"
    durability: Annotated[Durability, kinds.choice(*get_args(Durability)), RESTART] = "full"


class Exec(Table, frozen=True):
    """Seconds from SIGTERM to SIGKILL, and bytes of output kept with a job."""

    kill_timeout: Annotated[float, kinds.duration(), RESTART] = 5.0
    output_limit: Annotated[int, kinds.size(), RESTART] = 10 * 2**20


class Resource(Table, frozen=True):
    """What this host has, or pretends to have; None is every core the daemon may run on."""

    cores: Annotated[int | None, kinds.count_or_auto(low=1, high=HOST_MAX), RESTART] = None
    gpus: Annotated[int, kinds.count(low=0, high=HOST_MAX), RESTART] = 0


class Config(Table, frozen=True):
    """A whole checked configuration."""

    daemon: Daemon = Daemon()
    rpc: Rpc = Rpc()
    events: Events = Events()
    heartbeat: Heartbeat = Heartbeat()
    job_manager: JobManager = JobManager()
    store: Store = Store()
    exec: Exec = Exec()
    resource: Resource = Resource()

    @property
    def purge_budget(self) -> float:
        """Seconds that one heartbeat's purging may take: a quarter of the period if not set."""
        budget = self.job_manager.purge_budget
        return self.heartbeat.period / 4 if budget is None else budget


class Key(Struct, frozen=True):
    """A key of a table: the name in Python, what its value is, and when a change takes effect."""

    attribute: str
    value: Kind | type[Table]
    restart: bool


@cache
def keys(table: type[Table]) -> Mapping[str, Key]:
    """The keys of a table by the name that a user writes."""
    hints = get_type_hints(table, include_extras=True)
    return {field.encode_name: _key(field.name, hints[field.name]) for field in fields(table)}


def _key(attribute: str, hint: object) -> Key:
    if isinstance(hint, type) and issubclass(hint, Table):
        return Key(attribute, hint, restart=False)
    notes = get_args(hint)[1:]
    kind = next(note for note in notes if isinstance(note, Kind))
    return Key(attribute, kind, restart=RESTART in notes)
