"""Whether history slows the living: throughput, memory and restart over the jobs kept."""

from collections.abc import Sequence
from functools import partial

from scripts.benchmark.daemon import Daemon, resident
from scripts.benchmark.figures import Reading
from scripts.benchmark.jobs import simulated
from scripts.benchmark.parts import bare, flux
from scripts.benchmark.parts.batch import run_batch
from scripts.benchmark.run import Case, Part, Run

KEPT = (0, 8192, 32_768, 100_000, 1_000_000)
QUICK = 3
SLOW = 1_000_000

PROCESS_START = "bare Python and pyzmq, started"
PROCESS_MEMORY = "bare Python and pyzmq"


def cases(run: Run) -> Sequence[Case]:
    """One case a number of kept jobs, and flux-core where it is installed."""
    kept = KEPT[:QUICK] if run.quick else KEPT
    ours = [Case(f"{n:,} kept", partial(measure, kept=n), slow=n >= SLOW) for n in kept]
    return [*ours, *flux.cases()]


def measure(run: Run, kept: int) -> Sequence[Reading]:
    """Start on a history, run a batch; then put the same rows into the same file."""
    with run.state(kept) as state:
        with Daemon(state) as daemon:
            rates = run_batch(daemon, run.batch, simulated())
            memory = resident(daemon.pid)
        rows = bare.inserted(state, run.batch, batch=100)
    process = bare.process(run)
    sqlite = f"bare SQLite, {kept:,} kept"
    return [
        Reading(f"job/s, {kept:,} kept", rates.ended, "job/s", sqlite),
        Reading(f"memory, {kept:,} kept", memory, "MiB", PROCESS_MEMORY),
        Reading(f"restart, {kept:,} kept", daemon.start_seconds, "s", PROCESS_START),
        Reading(sqlite, rows["rate"], "job/s"),
        Reading(PROCESS_MEMORY, process.memory, "MiB"),
        Reading(PROCESS_START, process.seconds, "s"),
    ]


PART = Part(
    "curve",
    "throughput, memory and restart over the number of inactive jobs kept",
    cases,
    bound=260,
    quick_bound=18,
)
