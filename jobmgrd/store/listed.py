"""What a list says of an inactive job (RFC 43), without reading its jobspec, R and eventlog.

Most attributes are told from the columns of its row; the rest is written down as a small JSON
object when the job ends. Leaving out of it what columns hold keeps rows short: a whole object
would take a quarter of the speed of writes and purges.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from jobmgrd.jobs import attributes as domain
from jobmgrd.jobs.job import Job
from jobmgrd.store.port import Listed
from protocol.job import Result, State


def encode(job: Job) -> str:
    """The JSON of what columns do not hold of a job that has ended."""
    rest = domain.attributes(job, _REST)
    del rest["id"]
    return msgspec.json.encode(rest).decode()


def attributes(row: Listed, names: Iterable[str]) -> dict[str, Any]:
    """The id and the named attributes of an inactive job, as for the job itself."""
    rest = _decode(row.attrs)
    found = {"id": row.id}
    for name in names:
        tell = _COLUMNS.get(name)
        value = tell(row, rest) if tell else rest.get(name)
        if value is not None:
            found[name] = value
    return found


_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode

_COLUMNS: Final[Mapping[str, Callable[[Listed, Mapping[str, Any]], Any]]] = {
    "id": lambda row, _: row.id,
    "userid": lambda row, _: row.userid,
    "urgency": lambda row, _: row.urgency,
    "priority": lambda row, _: row.priority if row.t_sched else None,
    "t_submit": lambda row, _: row.t_submit,
    "t_depend": lambda row, _: row.t_depend or None,
    "t_priority": lambda row, _: row.t_priority or None,
    "t_sched": lambda row, _: row.t_sched or None,
    "t_run": lambda row, _: row.t_run or None,
    "t_cleanup": lambda row, _: row.t_cleanup or None,
    "t_inactive": lambda row, _: row.t_clean,
    "state": lambda *_: int(State.INACTIVE),
    "name": lambda row, _: row.name,
    "queue": lambda row, _: row.queue or None,
    "result": lambda row, _: row.result,
    "success": lambda row, _: row.result == Result.COMPLETED,
    "waitstatus": lambda row, _: row.status if row.status >= 0 else None,
    "exception_occurred": lambda _, rest: "exception_type" in rest,
}
_REST: Final = tuple(name for name in domain.ATTRIBUTES if name not in _COLUMNS)
