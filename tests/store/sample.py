"""Rows to keep in a store under test, and decisions to purge them."""

import json
from functools import partial
from pathlib import Path

from jobmgrd.jobs import retention
from jobmgrd.jobs.retention import DEFAULT, Limits, Policy
from jobmgrd.store.port import ActiveRow, Decide, InactiveRow, PurgeRecord, Store
from protocol.jobspec import from_command


class Clock:
    """UNIX time as a test sets it."""

    t = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.t


def db_path(directory: Path) -> Path:
    """Where the tests keep their file."""
    return directory / "state" / "jobs.sqlite"


def active(id: int, eventlog: bytes = b"") -> ActiveRow:
    """An active job."""
    return ActiveRow(id, 1000, b'{"version":1}', None, eventlog)


def queued(id: int) -> ActiveRow:
    """An active job whose record can be replayed."""
    context = {"userid": 1000, "urgency": 16, "flags": 0, "version": 1}
    submit = {"timestamp": 1.0, "name": "submit", "context": context}
    jobspec = json.dumps(from_command(["true"], cwd="/")).encode()
    return ActiveRow(id, 1000, jobspec, None, json.dumps(submit).encode() + b"\n")


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


def keep(num: int, batch: int = 100) -> Decide:
    """The decision to keep this many jobs."""
    return partial(retention.select, policy=Policy(Limits(num=num)), now=0.0, batch=batch)


def these(*ids: int) -> Decide:
    """The decision to purge these jobs."""
    return lambda history: history.find(ids)


async def purge(store: Store, decide: Decide, now: float = 50.0) -> PurgeRecord | None:
    """Purge as the owner, for a test."""
    return await store.purge(decide, now=now, reason="test", userid=1000)
