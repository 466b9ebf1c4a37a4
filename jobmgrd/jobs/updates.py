"""jobspec and R as they are now: the originals with the updates that a job's eventlog tells of.

The originals are kept as they were; events of their own say what changed (RFC 21).
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from protocol.eventlog import Entry

EVENTS: Final[Mapping[str, str]] = {"jobspec": "jobspec-update", "R": "resource-update"}
"""What can be updated, and by which event."""


def update(key: str, value: dict[str, Any], entries: Iterable[Entry]) -> dict[str, Any]:
    """Apply to a decoded jobspec or R (which changes) what these events say of it; return it.

    An update that does not fit, a path through something that is no object, is passed over, as
    flux-core does (job-info/util.c).
    """
    for entry in entries:
        if entry.name == EVENTS[key]:
            for path, new in (entry.context or {}).items():
                if key == "jobspec":
                    _set(value, path.split("."), new)
                elif path == "expiration":  # of R nothing else can be updated
                    _set(value, ["execution", "expiration"], new)
    return value


def _set(value: dict[str, Any], path: list[str], new: Any) -> None:  # noqa: ANN401 - JSON
    level: Any = value
    for name in path[:-1]:
        level = level.setdefault(name, {})
        if not isinstance(level, dict):
            return
    level[path[-1]] = new
