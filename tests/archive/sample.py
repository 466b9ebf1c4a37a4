"""Jobs to archive, and where."""

from pathlib import Path

from jobmgrd.archive.record import ArchivedJob, archived
from jobmgrd.store.port import InactiveRow, Streams

JOBSPEC = (
    b'{"version": 1,\n "resources": [{"type": "slot", "count": 1, "label": "task",'
    b' "with": [{"type": "core", "count": 1}]}],'
    b' "tasks": [{"command": ["true"], "slot": "task", "count": {"per_slot": 1}}],'
    b' "attributes": {"system": {"duration": 0}}}'
)
R = b'{"version":1,"execution":{"R_lite":[{"rank":"0","children":{"core":"0"}}],"nodelist":["h"]}}'
INPUT = b'{"timestamp":1.0,"name":"data","context":{"stream":"stdin","rank":"all"}}\n'
OUTPUT = b'{"timestamp":1.0,"name":"header","context":{}}\n'


def archive_path(directory: Path) -> Path:
    """Where the tests keep their archive."""
    return directory / "state" / "archive.sqlite"


def row(
    id: int, t_clean: float | None = None, *, queue: str = "", name: str = "true", result: int = 1
) -> InactiveRow:
    """An inactive job of user 1000 + id % 2; it ended at time `id` unless another is given."""
    t = float(id) if t_clean is None else t_clean
    status = 0 if result == 1 else 256
    return InactiveRow(
        id=id,
        userid=1000 + id % 2,
        urgency=16,
        priority=16,
        t_submit=t - 0.75,
        t_run=t - 0.5,
        t_cleanup=t - 0.25,
        t_clean=t,
        result=result,
        status=status,
        name=name,
        queue=queue,
        rule=0,
        jobspec=JOBSPEC,
        R=R,
        eventlog=_eventlog(1000 + id % 2, t, status),
    )


def job(id: int, t_clean: float | None = None, **keys: object) -> ArchivedJob:
    """The same, archived at time 5000 with some output and input."""
    return archived(row(id, t_clean, **keys), Streams(OUTPUT, INPUT), 5000.0)  # type: ignore[arg-type]


def _eventlog(userid: int, t: float, status: int) -> bytes:
    return (
        f'{{"timestamp":{t - 0.75},"name":"submit","context":'
        f'{{"userid":{userid},"urgency":16,"flags":0,"version":1}}}}\n'
        f'{{"timestamp":{t - 0.75},"name":"validate"}}\n'
        f'{{"timestamp":{t - 0.75},"name":"depend"}}\n'
        f'{{"timestamp":{t - 0.75},"name":"priority","context":{{"priority":16}}}}\n'
        f'{{"timestamp":{t - 0.5},"name":"alloc"}}\n'
        f'{{"timestamp":{t - 0.5},"name":"start"}}\n'
        f'{{"timestamp":{t - 0.25},"name":"finish","context":{{"status":{status}}}}}\n'
        f'{{"timestamp":{t - 0.25},"name":"release","context":{{"ranks":"all","final":true}}}}\n'
        f'{{"timestamp":{t - 0.25},"name":"free"}}\n'
        f'{{"timestamp":{t},"name":"clean"}}\n'
    ).encode()
