"""Whether those who only listen cost those who work: throughput beside an idle crowd."""

import resource
from collections.abc import Sequence

from scripts.benchmark.daemon import Daemon
from scripts.benchmark.errors import SkipError
from scripts.benchmark.figures import Reading
from scripts.benchmark.jobs import simulated
from scripts.benchmark.parts.batch import run_batch
from scripts.benchmark.run import Case, Part, Run
from scripts.benchmark.worker import Worker

CROWD = 1000
FILES = 6 * CROWD
"""Descriptors that the crowd's process needs: a socket's signaler and its connection, and room."""

NOBODY = "with nobody else"


def cases(_run: Run) -> Sequence[Case]:
    """The two take turns."""
    return [Case(NOBODY, alone), Case(f"{CROWD:,} clients, {CROWD:,} subscribers", crowded)]


def alone(run: Run) -> Sequence[Reading]:
    """A batch on a daemon that serves nobody else."""
    with run.state() as state, Daemon(state) as daemon:
        return [Reading(NOBODY, run_batch(daemon, run.batch, simulated()).ended, "job/s")]


def crowded(run: Run) -> Sequence[Reading]:
    """A batch beside the crowd.

    Raises:
        SkipError: a process may not have that many files open.
    """
    allow_files(FILES)
    with (
        run.state() as state,
        Daemon(state) as daemon,
        Worker(
            "crowd",
            rpc=f"ipc://{daemon.uri}/rpc",
            events=f"ipc://{daemon.uri}/events",
            clients=CROWD,
            subscribers=CROWD,
        ) as crowd,
    ):
        crowd.read()
        rates = run_batch(daemon, run.batch, simulated())
        crowd.go()
    name = f"with {CROWD:,} idle clients and {CROWD:,} idle subscribers"
    return [Reading(name, rates.ended, "job/s", NOBODY)]


def allow_files(number: int) -> None:
    """Let this process, and those it starts, have that many files open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < number:
        if hard != resource.RLIM_INFINITY and hard < number:
            raise SkipError(f"ulimit -n is {hard}, {number} are needed")
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))


PART = Part(
    "idle",
    "throughput beside a thousand idle clients and subscribers",
    cases,
    bound=100,
    quick_bound=9,
)
