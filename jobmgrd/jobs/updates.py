"""jobspec and R as they are now: the originals with the updates that a job's eventlog tells of.

The originals are kept as they were; events of their own say what changed (RFC 21). Readers get the
whole of it by `update`, the job manager keeps what it decides by in step with `updated`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from protocol.errors import FormatError
from protocol.eventlog import Entry
from protocol.jobspec import Jobspec

EVENTS: Final[Mapping[str, str]] = {"jobspec": "jobspec-update", "R": "resource-update"}
"""What can be updated, and by which event."""

DURATION: Final = "attributes.system.duration"
QUEUE: Final = "attributes.system.queue"
CONSTRAINTS: Final = "attributes.system.constraints"
NAME: Final = "attributes.system.job.name"
BANK: Final = "attributes.system.bank"
PROJECT: Final = "attributes.system.project"

_FIELDS: Final[Mapping[str, tuple[str, type]]] = {
    DURATION: ("duration", float),
    QUEUE: ("queue", str),
    CONSTRAINTS: ("constraints", dict),
    NAME: ("name", str),
    BANK: ("bank", str),
    PROJECT: ("project", str),
}
"""The paths that matter to the job manager: fields of a Jobspec, and their types."""


def updated(spec: Jobspec, context: Mapping[str, Any]) -> Jobspec:
    """A jobspec after a jobspec-update event; other paths than those above change nothing here.

    Raises:
        FormatError: a value is of the wrong type.
    """
    changes: dict[str, Any] = {}
    for path, value in context.items():
        if path in _FIELDS:
            field, type_ = _FIELDS[path]
            try:
                changes[field] = msgspec.convert(value, type_)
            except msgspec.ValidationError as error:
                raise FormatError(f"jobspec-update: {path}: {error}") from None
    return msgspec.structs.replace(spec, **changes)


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
