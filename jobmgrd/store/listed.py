"""What a list says of an inactive job (RFC 43), without reading its jobspec, R and eventlog.

Most attributes are told from the columns of its row. The rest is written down when the job ends,
as a JSON array that costs a job some 30 bytes: whole objects would take a quarter of the speed of
writes and purges.

A page is told attribute by attribute and not job by job: only the columns that are needed are
asked for, and each becomes an attribute of all jobs in one go. Maps are made of that by msgspec,
which leaves out what is None: half a microsecond a job, where a comprehension takes one.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import repeat
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from jobmgrd.jobs.attributes import ATTRIBUTES
from jobmgrd.jobs.job import Job
from jobmgrd.store.port import InactiveRow, Listed
from protocol.job import Result, State


class Rest(Struct, frozen=True, array_like=True):
    """What the array holds. Files know an attribute by its place: append, change nothing."""

    cwd: Any = None
    ntasks: Any = None
    ncores: Any = None
    nnodes: Any = None
    duration: Any = None
    ranks: Any = None
    nodelist: Any = None
    exception_type: Any = None
    exception_severity: Any = None
    exception_note: Any = None
    expiration: Any = None
    project: Any = None
    bank: Any = None
    dependencies: Any = None
    annotations: Any = None


REST: Final = Rest.__struct_fields__

_decode: Final = msgspec.json.Decoder(list[Rest]).decode


def encode(job: Job) -> str:
    """The JSON of what columns do not hold of a job that has ended."""
    values = [ATTRIBUTES[name](job) for name in REST]
    while values and values[-1] is None:
        values.pop()
    return msgspec.json.encode(values).decode()


class Description:
    """How to tell the id and some attributes of inactive jobs: from t_clean, id and `columns`."""

    def __init__(self, names: Sequence[str]) -> None:
        self._told = [_TOLD[name] for name in names]
        needed = dict.fromkeys(column for told in self._told for column in told.columns)
        self.columns = [column for column in needed if column not in _PLACE]
        fields = [(name, Any, None) for name in ("id", *names)]
        self._job = msgspec.defstruct("Job", fields, omit_defaults=True)

    def jobs(self, rows: Sequence[tuple[Any, ...]]) -> Sequence[Listed]:
        """The jobs of some rows, each of which is t_clean, id and the values of `columns`."""
        if not rows:
            return ()
        given: dict[str, Sequence[Any]] = dict(
            zip((*_PLACE, *self.columns), zip(*rows, strict=True), strict=True)
        )
        if "attrs" in given:
            given["attrs"] = _rests(given["attrs"])
        values = (told.values(*[given[name] for name in told.columns]) for told in self._told)
        jobs: Sequence[Listed] = msgspec.to_builtins(list(map(self._job, given["id"], *values)))
        return jobs


def _rests(texts: Sequence[str]) -> Sequence[Rest]:
    """What each of these says; one that was damaged says nothing."""
    try:
        return _decode(f"[{','.join(texts)}]")
    except (msgspec.DecodeError, TypeError):
        return [Rest()] if len(texts) == 1 else [rest for text in texts for rest in _rests([text])]


def describing(names: Iterable[str]) -> Description:
    """What tells the id and these attributes of inactive jobs."""
    return _description(tuple(dict.fromkeys(name for name in names if name != "id")))


def describe(rows: Sequence[InactiveRow], names: Iterable[str]) -> Sequence[Listed]:
    """The id and these attributes of inactive jobs whose rows are there."""
    description = describing(names)
    tell = attrgetter(*_PLACE, *description.columns)
    return description.jobs([tell(row) for row in rows])


_description: Final = lru_cache(64)(Description)
_PLACE: Final = ("t_clean", "id")
"""The columns that say where in a list a job is."""


class _Told(NamedTuple):
    """An attribute: what it is told from, and its values for all jobs, None where there is none."""

    columns: tuple[str, ...]
    values: Callable[..., Iterable[Any]]


def _given(column: str) -> _Told:
    return _Told((column,), lambda values: values)


def _unless_empty(column: str) -> _Told:
    return _Told((column,), lambda values: [value or None for value in values])


def _rest(name: str) -> _Told:
    return _Told(("attrs",), lambda rests: map(attrgetter(name), rests))


_INACTIVE: Final = int(State.INACTIVE)
_COMPLETED: Final = int(Result.COMPLETED)

_TOLD: Final = {
    "userid": _given("userid"),
    "urgency": _given("urgency"),
    "priority": _Told(
        ("priority", "t_sched"),
        lambda priorities, times: [
            p if t else None for p, t in zip(priorities, times, strict=True)
        ],
    ),
    "t_submit": _given("t_submit"),
    "t_depend": _unless_empty("t_depend"),
    "t_priority": _unless_empty("t_priority"),
    "t_sched": _unless_empty("t_sched"),
    "t_run": _unless_empty("t_run"),
    "t_cleanup": _unless_empty("t_cleanup"),
    "t_inactive": _given("t_clean"),
    "state": _Told((), lambda: repeat(_INACTIVE)),
    "name": _given("name"),
    "queue": _unless_empty("queue"),
    "result": _given("result"),
    "success": _Told(("result",), lambda results: [r == _COMPLETED for r in results]),
    "waitstatus": _Told(
        ("status",),
        lambda codes: [c if isinstance(c, int) and c >= 0 else None for c in codes],
    ),
    "exception_occurred": _Told(
        ("attrs",), lambda rests: [rest.exception_type is not None for rest in rests]
    ),
    **{name: _rest(name) for name in REST},
}
