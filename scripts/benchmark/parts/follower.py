"""How many events a follower keeps up with, and how soon it has caught up with what it missed."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from scripts.benchmark.daemon import Daemon
from scripts.benchmark.figures import Reading
from scripts.benchmark.jobs import simulated
from scripts.benchmark.parts.batch import run_batch
from scripts.benchmark.run import Case, Part, Run
from scripts.benchmark.worker import Worker

MISSED: Final = 100_000
QUICK_MISSED: Final = 10_000
EVENTS: Final = 11
"""Of a simulated job, from submit to clean."""

WATCHED: Final = "a batch that a bare journal is watched of"


def cases(run: Run) -> Sequence[Case]:
    """Live, and after a while away."""
    missed = QUICK_MISSED if run.quick else MISSED
    return [
        Case("live", follow, slow=not run.quick),
        Case(f"{missed:,} events missed", partial(catch_up, missed=missed), slow=not run.quick),
    ]


def follow(run: Run) -> Sequence[Reading]:
    """A batch at full speed, seen by a follower, then by a client that only reads the journal."""
    with run.state() as state, Daemon(state) as daemon:
        with (
            Worker("follow", uri=daemon.uri, jobs=run.batch) as follower,
            Worker("submit", uri=daemon.uri, count=run.batch, jobspec=simulated()) as submit,
        ):
            follower.read()
            submit.read()
            follower.go()
            submit.go()
            begin = submit.read()["begin"]
            end = follower.read()["end"]
        bare = run_batch(daemon, run.batch, simulated()).ended
    rate = run.batch / (end - begin)
    return [
        Reading("a batch that a follower follows", rate, "job/s", WATCHED),
        Reading("events that a follower keeps up with", rate * EVENTS, "event/s"),
        Reading(WATCHED, bare, "job/s"),
    ]


def catch_up(run: Run, missed: int) -> Sequence[Reading]:
    """A follower that was away while jobs ran, and comes back with what it knew."""
    jobs = -(-missed // EVENTS)
    with (
        run.state() as state,
        Daemon(state) as daemon,
        Worker("catch_up", uri=daemon.uri, jobs=jobs) as follower,
    ):
        follower.read()
        run_batch(daemon, jobs, simulated())
        follower.go()
        caught = follower.read()
    how = "from the history" if caught["resyncs"] else "from the journal"
    return [Reading(f"{missed:,} missed events made good {how}", caught["seconds"], "s")]


PART = Part(
    "follower",
    "events that a follower keeps up with, and its return after many that it missed",
    cases,
    bound=100,
    quick_bound=9,
)
