"""What differs between two configurations, and what of it waits for a restart."""

from collections.abc import Iterator

from jobmgrd.config.schema import Config
from jobmgrd.config.table import Key, Table, keys


def describe_change(old: Config, new: Config) -> list[str]:
    """The dotted names of the keys whose values differ, for example "heartbeat.period"."""
    return [name for name, _ in _changed(old, new)]


def restart_required(old: Config, new: Config) -> list[str]:
    """Those of the changed keys that a running daemon does not take over."""
    return [name for name, key in _changed(old, new) if key.restart]


def _changed(old: Table, new: Table, prefix: str = "") -> Iterator[tuple[str, Key]]:
    for name, key in keys(type(old)).items():
        before, after = getattr(old, key.attribute), getattr(new, key.attribute)
        if isinstance(before, Table) and isinstance(after, Table):
            yield from _changed(before, after, f"{prefix}{name}.")
        elif before != after:
            yield f"{prefix}{name}", key
