"""Rows of active jobs that were damaged: put aside, whatever is in them, and the daemon starts."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmgrd.jobs.job import Job
from jobmgrd.store import rows
from jobmgrd.store.check import check
from jobmgrd.store.port import ActiveRow, Changes, OutputRow
from jobmgrd.store.sqlite import SqliteStore
from protocol import jobspec
from tests.random_jobs import live
from tests.services.bench import Bench
from tests.store.sample import db_path, queued

LIVES: Final = ("pending", "running")
WRONG: Final = (
    "NULL",
    "1.5",
    "'text'",
    "''",
    "x''",
    "x'ff00'",
    "CAST(x'fffe' AS TEXT)",
    "CAST({} AS TEXT)",
    "CAST('{{}}' AS BLOB)",
    "CAST('[]' AS BLOB)",
    "x'00' || {}",
    "CAST({} || 'x' AS BLOB)",
)
"""What a column may hold instead of its value."""
COLUMNS: Final = ("userid", "jobspec", "R", "eventlog")

GOOD: Final = 1


def a_job(id: int, life: str) -> Job:
    """A job somewhere in its life."""
    data = json.dumps(jobspec.from_command(["true"])).encode()
    job = Job(id, jobspec.decode(data), data)
    live(job, life, [float(n) for n in range(1, 8)], userid=7, ranks={0})
    return job


def is_right(life: str, column: str, wrong: str) -> bool:
    """Whether the column may hold this, after all."""
    if column == "userid":  # INTEGER takes what is written as one
        return wrong == "CAST({} AS TEXT)"
    return column == "R" and life == "pending"  # it may have none


async def test_whatever_a_column_holds_is_put_aside(tmp_path: Path) -> None:
    """One row for each life, column and value: all are orphans, and a good job among them runs."""
    cases = [
        (life, column, wrong)
        for life in LIVES
        for column in COLUMNS
        for wrong in WRONG
        if not is_right(life, column, wrong)
    ]
    jobs = [a_job(id, life) for id, (life, _, _) in enumerate(cases, GOOD + 1)]
    path = db_path(tmp_path)
    store = SqliteStore(path, durability="os")
    await store.open()
    await store.write(Changes(active=[queued(GOOD), *map(rows.active, jobs)]))
    await store.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for job, (_, column, wrong) in zip(jobs, cases, strict=True):
            value = wrong.format(column)
            db.execute(f"UPDATE active SET {column} = {value} WHERE id = ?", (job.id,))  # noqa: S608
    assert len(check(path).faults) == len(cases)

    bench = Bench()
    bench.store = SqliteStore(path, durability="os")  # type: ignore[assignment]
    await bench.boot()
    assert list(bench.engine.jobs) == [GOOD]
    reasons = {orphan.row.id: orphan.reason for orphan in await bench.store.orphans()}
    left = [case for job, case in zip(jobs, cases, strict=True) if job.id not in reasons]
    assert left == []
    assert all(reasons.values())
    await bench.until(lambda: bench.executor.attempts)
    await bench.store.close()
    assert check(path).faults == ()


async def test_output_of_the_wrong_type_is_shown_as_it_is(tmp_path: Path) -> None:
    """The job it is of goes on; the start reads it to go on with its number of lines."""
    path = db_path(tmp_path)
    store = SqliteStore(path, durability="os")
    await store.open()
    row = rows.active(a_job(2, "running"))
    await store.write(Changes(active=[row], output=[OutputRow(2, b"x\n")]))
    await store.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE output SET data = CAST(data || x'ff' AS TEXT)")
        db.execute("INSERT INTO output VALUES (2, 2, NULL)")
    bench = Bench()
    bench.store = SqliteStore(path, durability="os")  # type: ignore[assignment]
    await bench.boot()
    assert list(bench.engine.jobs) == [2]
    assert await bench.store.output(2) == b"x\n\xff"
    await bench.store.close()


JSON: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
KEYS: Final = ("timestamp", "name", "context")


@st.composite
def eventlogs(draw: st.DrawFn) -> bytes:
    """The eventlog of a job with one or two values of its entries gone or changed."""
    life = draw(st.sampled_from(["depend", "pending", "running", "ended", "canceled"]))
    job = a_job(2, life)
    job.apply(9.0, "memo", {"a": {"b": 1}})
    job.apply(9.0, "urgency", {"urgency": 3})
    job.apply(9.0, "jobspec-update", {"attributes.system.duration": 5.0})
    job.apply(9.0, "set-flags", {"flags": ["immutable"]})
    entries: list[Any] = [json.loads(line) for line in job.entries]
    for _ in range(draw(st.integers(1, 2))):
        entry = draw(st.sampled_from(entries))
        within = [entry]
        if isinstance(entry.get("context"), dict):
            within.append(entry["context"])
        place = draw(st.sampled_from(within))
        key = draw(st.sampled_from(list(place) or ["x"]))
        if draw(st.booleans()):
            place.pop(key, None)
        else:
            place[key] = draw(JSON)
    return b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)


async def started_with(row: ActiveRow) -> list[str]:
    """Start with a good job and this one, and end both; what went wrong on the way."""
    wrong: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: wrong.append(repr(context.get("exception", context)))
    )
    bench = Bench()
    await bench.store.open()
    await bench.store.write(Changes(active=[queued(GOOD), row]))
    await bench.boot()
    await bench.until(lambda: GOOD in bench.executor.attempts)
    for job in list(bench.engine.jobs.values()):
        bench.engine.raise_exception(job, "cancel", 0, "")
    await bench.until(lambda: GOOD not in bench.engine.jobs)
    await bench.settle()
    return wrong


@given(eventlogs())
def test_an_eventlog_with_wrong_values_stops_nothing(log: bytes) -> None:
    """The job is put aside, or goes on; the other one runs and ends."""
    row = rows.active(a_job(2, "running"))
    assert asyncio.run(started_with(ActiveRow(2, 7, row.jobspec, row.R, log))) == []


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=60) | st.none())
def test_garbage_stops_nothing(spec: bytes, log: bytes, R: bytes | None) -> None:
    """In all columns at once."""
    assert asyncio.run(started_with(ActiveRow(2, 7, spec, R, log))) == []


@pytest.mark.parametrize("life", ["ended", "canceled"])
async def test_a_job_that_has_ended_is_not_active(life: str) -> None:
    """Nobody would ever let go of it: put aside."""
    bench = Bench()
    await bench.store.open()
    await bench.store.write(Changes(active=[rows.active(a_job(2, life))]))
    await bench.boot()
    assert not bench.engine.jobs
    (orphan,) = await bench.store.orphans()
    assert "clean event" in orphan.reason
