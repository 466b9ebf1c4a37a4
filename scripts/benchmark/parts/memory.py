"""What a kept job costs in memory."""

from collections.abc import Sequence
from functools import partial

from scripts.benchmark.daemon import Daemon, resident
from scripts.benchmark.figures import Reading
from scripts.benchmark.jobs import simulated
from scripts.benchmark.parts import bare
from scripts.benchmark.parts.batch import run_batch
from scripts.benchmark.run import Case, Part, Run

KEPT = (50_000, 1_000_000)
QUICK = 1
SLOW = 1_000_000
WARM_UP = 512
"""Jobs that run before memory is read, so that what every daemon needs is there."""

PROCESS = "bare Python and pyzmq"


def cases(run: Run) -> Sequence[Case]:
    """One case a number of kept jobs."""
    kept = KEPT[:QUICK] if run.quick else KEPT
    return [Case(f"{n:,} kept", partial(measure, kept=n), slow=n >= SLOW) for n in kept]


def measure(run: Run, kept: int) -> Sequence[Reading]:
    """Memory without a history and with this one."""
    empty, full = used(run, 0), used(run, kept)
    return [
        Reading("nothing kept", empty, "MiB", PROCESS),
        Reading(f"{kept:,} kept", full, "MiB", PROCESS),
        Reading(f"more for each of {kept:,} kept", (full - empty) * 2**20 / kept, "B/job"),
        Reading(PROCESS, bare.process(run).memory, "MiB"),
    ]


def used(run: Run, kept: int) -> float:
    """A daemon's memory once it has worked a little, in MiB."""
    with run.state(kept) as state, Daemon(state) as daemon:
        run_batch(daemon, WARM_UP, simulated())
        return resident(daemon.pid)


PART = Part(
    "memory",
    "resident memory without and with history, bytes a kept job",
    cases,
    bound=80,
    quick_bound=7,
)
