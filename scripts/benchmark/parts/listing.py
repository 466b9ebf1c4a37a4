"""How fast history is listed: a thousand jobs of it by several constraints, and all of it."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from scripts.benchmark.daemon import Daemon, resident
from scripts.benchmark.errors import MeasurementError
from scripts.benchmark.figures import Reading
from scripts.benchmark.history import FILE, QUEUE, RARE, USERID
from scripts.benchmark.run import Case, Part, Run
from scripts.benchmark.worker import Worker

KEPT: Final = 1_000_000
QUICK_KEPT: Final = 20_000
LISTED: Final = 1000
TIMES: Final = 15
REST_SECONDS: Final = 0.5
ATTRS: Final = ("userid", "state", "name", "queue", "t_run", "t_cleanup", "result", "nodelist")
"""What jobmgr jobs asks for."""


def cases(run: Run) -> Sequence[Case]:
    """A page by each constraint, and the stream of all."""
    kept = QUICK_KEPT if run.quick else KEPT
    return [
        Case(f"{LISTED:,} of {kept:,}", partial(pages, kept=kept), slow=not run.quick),
        Case(f"all {kept:,}", partial(stream, kept=kept), slow=not run.quick),
    ]


def queries(kept: int) -> Mapping[str, dict[str, Any]]:
    """Constraints by what they choose: about a tenth of the jobs, a hundredth by result."""
    return {
        "by default order": {},
        "by user": {"userid": [USERID]},
        "by queue": {"queue": [QUEUE]},
        "by result": {"results": [RARE]},
        "by time": {"t_inactive": [f"<{time.time() - kept / 2000!r}"]},
    }


def pages(run: Run, kept: int) -> Sequence[Reading]:
    """One list after the other, beside the same rows read by SQLite alone."""
    readings = []
    with run.state(kept, "mixed") as state:
        asked = queries(kept)
        with Daemon(state) as daemon:
            answers = listed(daemon.uri, asked)
        with Worker("sqlite_list", path=str(state / FILE), queries=asked, limit=LISTED) as bare:
            for name in asked:
                limit = f"{LISTED:,} of {kept:,} {name}: bare SQLite, p50"
                alone = bare.read()
                if alone["rows"] != answers[name]["rows"]:
                    raise MeasurementError(f"{name}: {answers[name]['rows']} jobs are listed")
                what = f"{LISTED:,} of {kept:,} {name}: p50"
                readings.append(Reading(what, answers[name]["p50"], "ms", limit))
                readings.append(Reading(limit, alone["p50"], "ms"))
    return readings


def listed(uri: str, asked: Mapping[str, dict[str, Any]]) -> Mapping[str, dict[str, Any]]:
    """How long each list took, and how many jobs there were."""
    with Worker("list", uri=uri, attrs=ATTRS, queries=asked, limit=LISTED, times=TIMES) as worker:
        return {name: worker.read() for name in asked}


def stream(run: Run, kept: int) -> Sequence[Reading]:
    """One client reads all jobs; another one asks for stats."""
    with run.state(kept, "mixed") as state:
        with (
            Daemon(state) as daemon,
            Worker("probe", uri=daemon.uri) as probe,
            Worker("stream", uri=daemon.uri, attrs=ATTRS) as reader,
        ):
            probe.read()
            time.sleep(REST_SECONDS)
            probe.go()
            rest = probe.read()
            before = resident(daemon.pid)
            read = reader.read()
            probe.go()
            meanwhile = probe.read()
            after = resident(daemon.pid)
        if read["jobs"] != kept:
            raise MeasurementError(f"{read['jobs']:,} of {kept:,} jobs were streamed")
        with Worker("sqlite_list", path=str(state / FILE), queries={"all": {}}, limit=-1) as bare:
            alone = bare.read()
    what, p99 = f"all {kept:,}", f"all {kept:,}: stats-get at rest, p99"
    limit = f"{what}: bare SQLite"
    return [
        Reading(f"{what}: streamed", kept / read["seconds"], "job/s", limit),
        Reading(f"{what}: memory that the daemon grew by", max(after - before, 0.0), "MiB"),
        Reading(f"{what}: stats-get meanwhile, p99", meanwhile["p99"], "ms", p99),
        Reading(limit, kept / (alone["p50"] / 1e3), "job/s"),
        Reading(p99, rest["p99"], "ms"),
    ]


PART = Part(
    "list",
    "a thousand jobs of a long history by several constraints, and the stream of all",
    cases,
    bound=120,
    quick_bound=9,
)
