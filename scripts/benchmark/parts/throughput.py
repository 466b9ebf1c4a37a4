"""How many jobs a second go through their whole life, and how many are taken in."""

from collections.abc import Sequence

from scripts.benchmark.daemon import Daemon
from scripts.benchmark.figures import Reading
from scripts.benchmark.jobs import BATCH, simulated
from scripts.benchmark.parts import bare
from scripts.benchmark.parts.batch import run_batch
from scripts.benchmark.run import Case, Part, Run

SQLITE = "bare SQLite, 100 rows a commit"
ECHO = "bare echo, pipelined"


def cases(_run: Run) -> Sequence[Case]:
    """One batch a daemon."""
    return [Case(f"{BATCH:,} jobs of 1 ms", measure)]


def measure(run: Run) -> Sequence[Reading]:
    """Run a batch, then put the same rows into the file, and send the same requests to an echo."""
    with run.state() as state:
        with Daemon(state) as daemon:
            rates = run_batch(daemon, BATCH, simulated())
        rows = bare.inserted(state, BATCH, batch=100)
    request = {"jobspec": simulated()}
    echo = bare.echoed(run, "job-ingest.submit", request, sequential=0, pipelined=BATCH)
    return [
        Reading("whole life", rates.ended, "job/s", SQLITE),
        Reading("submit", rates.submitted, "job/s", ECHO),
        Reading(SQLITE, rows["rate"], "job/s"),
        Reading(ECHO, echo["rate"], "rpc/s"),
    ]


PART = Part(
    "throughput",
    "simulated jobs of 1 ms: whole lives and submits a second",
    cases,
    bound=60,
    quick_bound=9,
)
