"""Rows to keep in a store under test."""

from pathlib import Path

from jobmgrd.jobs.retention import DEFAULT
from jobmgrd.store.port import ActiveRow, InactiveRow


def db_path(directory: Path) -> Path:
    """Where the tests keep their file."""
    return directory / "state" / "jobs.sqlite"


def active(id: int, eventlog: bytes = b"") -> ActiveRow:
    """An active job."""
    return ActiveRow(id, 1000, b'{"version":1}', None, eventlog)


def ended(
    id: int, t_clean: float | None = None, rule: int = DEFAULT, *, result: int = 1, queue: str = ""
) -> InactiveRow:
    """An inactive job; it ended at time `id` unless another is given."""
    t = float(id) if t_clean is None else t_clean
    return InactiveRow(
        id=id,
        userid=1000,
        urgency=16,
        priority=16,
        t_submit=t - 3,
        t_run=t - 2,
        t_cleanup=t - 1,
        t_clean=t,
        result=result,
        status=0,
        name="true",
        queue=queue,
        rule=rule,
        jobspec=b'{"version":1}',
        R=b'{"version":1}',
        eventlog=b'{"name":"submit"}\n',
    )
