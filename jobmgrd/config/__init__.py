"""Configuration: TOML files, or an object that came by RPC -> checked, frozen values.

    files.py        TOML files -> one mapping, which remembers who set what
    reader.py       mapping -> tables, by the schema
    flux_only.py    keys that Flux has, and why they are refused
    checks.py       values that do not go together
    schema.py       the tables and keys, with their defaults
    queue_tables.py those about nodes, queues and policy
    table.py        what tables are made of
    kinds/          the kinds of values
    nodes.py        the nodes that the tables, or this host, make
    directories.py  the default state directory, and templates
    clients.py      the keys of daemon and clients, for tcp:// endpoints
    changes.py      what differs between two configurations
    errors.py       ConfigError

Nothing applies before all of it is checked. etc/jobmgrd.toml explains every key to users.
"""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from jobmgrd.config import clients, files, reader
from jobmgrd.config.changes import describe_change, restart_required
from jobmgrd.config.clients import ClientKey, Keys
from jobmgrd.config.directories import default_statedir, expand
from jobmgrd.config.errors import ConfigError
from jobmgrd.config.schema import Config
from jobmgrd.rundir import default_rundir

__all__ = [
    "ClientKey",
    "Config",
    "ConfigError",
    "Keys",
    "Loaded",
    "check",
    "default_rundir",
    "default_statedir",
    "describe_change",
    "expand",
    "load",
    "restart_required",
]


class Loaded(Struct, frozen=True):
    """A checked configuration, what deserves a warning, and the object as it was written.

    `keys` are read from their files if there is a tcp:// endpoint.
    """

    config: Config
    warnings: list[str]
    raw: Mapping[str, object]
    source: str = ""  # where it comes from, for errors that show only as it is applied
    keys: Keys | None = None


def load(path: Path | None) -> Loaded:
    """Read and check a TOML file or a directory of *.toml files; None gives the defaults.

    Raises:
        ConfigError: with file, table, key, what is wrong and what was expected.
    """
    merged = files.Merged({}, {}) if path is None else files.read(path)
    config, warnings = reader.read(merged.raw, lambda place: str(merged.origins[place]))
    source = "" if path is None else str(path)
    return Loaded(config, warnings, merged.raw, source, clients.read(config, source))


def check(raw: Mapping[str, object], source: str) -> Loaded:
    """Check a configuration that did not come from files; `source` names it in errors.

    Raises:
        ConfigError: as `load`.
    """
    config, warnings = reader.read(raw, lambda _place: source)
    return Loaded(config, warnings, raw, source, clients.read(config, source))
