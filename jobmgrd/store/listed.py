"""What a list says of an inactive job (RFC 43), without reading its jobspec, R and eventlog.

Most attributes are told from the columns of its row. The rest is written down when the job ends,
as a JSON array that costs a job some 30 bytes: whole objects would take a quarter of the speed of
writes and purges.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from jobmgrd.jobs.attributes import ATTRIBUTES
from jobmgrd.jobs.job import Job
from jobmgrd.store.port import Listed
from protocol.job import Result, State

REST: Final = (
    "cwd",
    "ntasks",
    "ncores",
    "nnodes",
    "duration",
    "ranks",
    "nodelist",
    "exception_type",
    "exception_severity",
    "exception_note",
    "expiration",
    "project",
    "bank",
    "dependencies",
    "annotations",
)
"""What the array holds. Files know an attribute by its place: append to this, change nothing."""

Describe: TypeAlias = Callable[[Listed], dict[str, Any]]


def encode(job: Job) -> str:
    """The JSON of what columns do not hold of a job that has ended."""
    values = [ATTRIBUTES[name](job) for name in REST]
    while values and values[-1] is None:
        values.pop()
    return msgspec.json.encode(values).decode()


def describing(names: Iterable[str]) -> Describe:
    """What gives the id and these attributes of an inactive job, as for the job itself."""
    columns = [(name, _COLUMNS[name]) for name in dict.fromkeys(["id", *names]) if name in _COLUMNS]
    rest = [(name, REST.index(name)) for name in dict.fromkeys(names) if name not in _COLUMNS]

    def describe(row: Listed) -> dict[str, Any]:
        found = {name: value for name, tell in columns if (value := tell(row)) is not None}
        if rest:
            values = _decode(row.attrs)
            for name, place in rest:
                if place < len(values) and (value := values[place]) is not None:
                    found[name] = value
        return found

    return describe


_decode: Final = msgspec.json.Decoder(list[Any]).decode


def _exception_occurred(row: Listed) -> bool:
    values: Sequence[Any] = _decode(row.attrs)
    place = REST.index("exception_type")
    return place < len(values) and values[place] is not None


_COLUMNS: Final[Mapping[str, Callable[[Listed], Any]]] = {
    "id": lambda row: row.id,
    "userid": lambda row: row.userid,
    "urgency": lambda row: row.urgency,
    "priority": lambda row: row.priority if row.t_sched else None,
    "t_submit": lambda row: row.t_submit,
    "t_depend": lambda row: row.t_depend or None,
    "t_priority": lambda row: row.t_priority or None,
    "t_sched": lambda row: row.t_sched or None,
    "t_run": lambda row: row.t_run or None,
    "t_cleanup": lambda row: row.t_cleanup or None,
    "t_inactive": lambda row: row.t_clean,
    "state": lambda _row: int(State.INACTIVE),
    "name": lambda row: row.name,
    "queue": lambda row: row.queue or None,
    "result": lambda row: row.result,
    "success": lambda row: row.result == Result.COMPLETED,
    "waitstatus": lambda row: row.status if row.status >= 0 else None,
    "exception_occurred": _exception_occurred,
}
