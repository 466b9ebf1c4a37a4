"""Real processes: how many whole lives a second, and how long one waits for its start."""

import json
from collections.abc import Sequence
from functools import partial

from jobmgrd.client import BlockingClient
from scripts.benchmark.daemon import Daemon
from scripts.benchmark.figures import Reading, percentile
from scripts.benchmark.jobs import real
from scripts.benchmark.parts import bare
from scripts.benchmark.parts.batch import run_batch
from scripts.benchmark.run import Case, Part, Run
from scripts.benchmark.worker import Worker

AT_ONCE = 16
COUNT, QUICK_COUNT = 3072, 512
STARTS, QUICK_STARTS = 200, 40
CONFIG = f"""
[resource]
cores = {AT_ONCE}
[daemon]
log-level = "warning"
"""
SPAWNED = f"bare asyncio subprocesses, {AT_ONCE} at once"


def cases(run: Run) -> Sequence[Case]:
    """Many at once, and one after the other on an idle daemon."""
    count, starts = (QUICK_COUNT, QUICK_STARTS) if run.quick else (COUNT, STARTS)
    return [
        Case(f"{count:,} x true", partial(lives, count=count)),
        Case(f"{starts} starts", partial(latency, count=starts)),
    ]


def lives(run: Run, count: int) -> Sequence[Reading]:
    """Run true many times in a daemon and in a loop."""
    with run.state() as state, Daemon(state, CONFIG) as daemon:
        rates = run_batch(daemon, count, real())
    with Worker("spawn", count=count, at_once=AT_ONCE) as spawn:
        rate = spawn.read()["rate"]
    return [
        Reading(f"true, {AT_ONCE} at once", rates.ended, "job/s", SPAWNED),
        Reading(SPAWNED, rate, "job/s"),
    ]


def latency(run: Run, count: int) -> Sequence[Reading]:
    """Submit one job after the other; from its submit event to its start event.

    In between lies the commit of the submit, which the start waits for, and the spawn itself.
    """
    with run.state() as state:
        with Daemon(state, CONFIG) as daemon, daemon.client() as client:
            taken = [_start_of_one(client) for _ in range(count)]
        commit = bare.inserted(state, count, batch=1)["p50"]
    with Worker("spawn", count=count, at_once=1) as spawn:
        started = spawn.read()["p50"]
    limit = "bare SQLite commit and asyncio spawn, p50"
    return [
        Reading("submit to start, idle daemon, p50", percentile(taken, 50), "ms", limit),
        Reading("submit to start, idle daemon, p99", percentile(taken, 99), "ms", limit),
        Reading(limit, commit + started, "ms"),
    ]


def _start_of_one(client: BlockingClient) -> float:
    """Run one job to its end; milliseconds."""
    id = client.rpc("job-ingest.submit", {"jobspec": real()})["id"]
    times: dict[str, float] = {}
    for answer in client.stream("job-info.eventlog-watch", {"id": id, "path": "eventlog"}):
        event = json.loads(answer["event"])
        times[event["name"]] = event["timestamp"]
    return (times["start"] - times["submit"]) * 1e3


PART = Part(
    "processes",
    "real processes: whole lives a second, submit to start",
    cases,
    bound=80,
    quick_bound=7,
)
