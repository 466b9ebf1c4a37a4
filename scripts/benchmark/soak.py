"""The soak command: a real daemon under steady load for long, sampled, and judged at the end."""

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from msgspec import Struct
from rich import box
from rich.console import Console
from rich.table import Table

from jobmgrd.client import BlockingClient
from scripts.benchmark import machine
from scripts.benchmark.__main__ import FAILED, PLAIN_WIDTH, WORSE, ended_by_sigterm
from scripts.benchmark.daemon import CONFIG, Daemon, resident
from scripts.benchmark.errors import MeasurementError
from scripts.benchmark.flatness import SAMPLES_MIN, Sample, Verdict, judge
from scripts.benchmark.history import FILE
from scripts.benchmark.report import number
from scripts.benchmark.run import workplace
from scripts.benchmark.worker import Worker

KEPT: Final = 2000
TOMBSTONES: Final = 4000
BATCH: Final = 100
ROWS: Final = 20

SETTINGS: Final = f"""{CONFIG}
[heartbeat]
period = "1s"
[job-manager]
inactive-num-limit = {KEPT}
[job-manager.tombstone-limit]
num = {TOMBSTONES}
"""


class Soak(Struct, frozen=True):
    """A run: where and when, at what pace, what was seen and what that says."""

    started: str  # ISO 8601, UTC
    minutes: float
    rate: float  # jobs a second that were asked for
    machine: dict[str, str]
    samples: list[Sample]
    verdicts: list[Verdict]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--minutes", type=click.FloatRange(min=0.01), default=60.0, show_default=True)
@click.option(
    "--warm-up",
    type=click.FloatRange(min=0),
    default=180.0,
    show_default=True,
    help="Seconds before the first sample, until history, tombstones and the journal are full.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=1),
    default=200.0,
    show_default=True,
    help="Jobs submitted a second.",
)
@click.option(
    "--interval",
    type=click.FloatRange(min=0.05),
    default=5.0,
    show_default=True,
    help="Seconds between two samples.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("bench-results/soak.json"),
    show_default=True,
    help="Where all samples and the verdict go.",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Where the store is kept meanwhile; on a disk, not in memory.",
)
def main(
    minutes: float,
    warm_up: float,
    rate: float,
    interval: float,
    output: Path,
    directory: Path | None,
) -> None:
    """Submit and purge at a steady pace, and see that the daemon stays as it is.

    Jobs of 1 ms come at the rate; the heartbeat purges those beyond a number, a client purges a
    batch more at every sample. Memory, latency of stats-get and files are sampled. Each is flat if
    the median of the last third of its samples is not above that of the first third by more than
    its tolerance (resident memory: 2 % and 1 MiB; p50: 25 % and 0.1 ms; p99: 50 % and 1 ms; files:
    5 % and 0.25 MiB). Memory and files are judged less the purge log, which grows to a bound on
    purpose. Ends with 1 if anything is not flat, with 2 if it could not be measured.
    """
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    if int(minutes * 60 / interval) < SAMPLES_MIN:
        raise click.UsageError(f"{SAMPLES_MIN} samples are needed: more --minutes, less --interval")
    started = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        with ended_by_sigterm(), workplace(directory) as place:
            samples = soak(place, minutes * 60, warm_up, rate, interval, console.print)
            described = dict(machine.describe(place))
    except MeasurementError as error:
        console.print(f"not measured: {error}", markup=False)
        sys.exit(FAILED)
    verdicts = judge(samples)
    output.parent.mkdir(parents=True, exist_ok=True)
    result = Soak(started, minutes, rate, described, samples, verdicts)
    output.write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
    console.print(_curve(samples))
    console.print(_judgement(verdicts))
    console.print(f"wrote {output}", soft_wrap=True)
    if not all(verdict.flat for verdict in verdicts):
        sys.exit(WORSE)


def soak(
    place: Path,
    seconds: float,
    warm_up: float,
    rate: float,
    interval: float,
    tell: Callable[[str], object],
) -> list[Sample]:
    """Load a daemon that keeps its store in `place`, and sample it for `seconds`.

    Raises:
        MeasurementError: the daemon, or what loads it, has ended.
    """
    state = place / "state"
    state.mkdir(mode=0o700)
    with ExitStack() as stack:
        daemon = stack.enter_context(Daemon(state, SETTINGS))
        client = stack.enter_context(daemon.client())
        steady = stack.enter_context(Worker("steady", uri=daemon.uri, rate=rate))
        time.sleep(warm_up)
        probe = stack.enter_context(Worker("probe", uri=daemon.uri))
        probe.read()
        begin, samples = time.monotonic(), list[Sample]()
        tell(f"{seconds:.0f} s from now on; {warm_up:.0f} s were the warm-up")
        for n in range(1, int(seconds / interval) + 1):
            time.sleep(max(begin + n * interval - time.monotonic(), 0.0))
            purge = {"num_limit": KEPT - BATCH, "batch": BATCH, "force": True}
            client.rpc("job-manager.purge", purge)
            samples.append(_sample(daemon, client, steady, probe, time.monotonic() - begin))
    return samples


def _sample(
    daemon: Daemon, client: BlockingClient, steady: Worker, probe: Worker, seconds: float
) -> Sample:
    steady.go()
    probe.go()
    stats: dict[str, Any] = client.rpc("job-manager.stats-get")
    latency = probe.read()
    return Sample(
        seconds=seconds,
        submitted=steady.read()["submitted"],
        inactive=stats["inactive_jobs"],
        tombstones=stats["purge"]["tombstones"],
        purged=stats["purge"]["total"],
        purges=stats["purge"]["seq"],
        resident=resident(daemon.pid),
        p50=latency["p50"],
        p99=latency["p99"],
        file=_size(daemon.state / FILE),
        wal=_size(daemon.state / f"{FILE}-wal"),
    )


def _size(path: Path) -> float:
    return path.stat().st_size / 2**20


def _curve(samples: list[Sample]) -> Table:
    """Some of the samples, from the first to the last."""
    shown = Table(title="samples", box=box.SIMPLE)
    headings = "seconds", "jobs", "inactive", "tombstones", "resident MiB", "p50 ms", "p99 ms"
    for heading in (*headings, "file MiB", "WAL MiB"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for n in range(ROWS) if len(samples) > ROWS else range(len(samples)):
        s = samples[n * (len(samples) - 1) // (min(ROWS, len(samples)) - 1)]
        counts = s.seconds, s.submitted, s.inactive, s.tombstones
        sizes = s.resident, s.p50, s.p99, s.file, s.wal
        shown.add_row(*(f"{n:,.0f}" for n in counts), *map(number, sizes))
    return shown


def _judgement(verdicts: list[Verdict]) -> Table:
    shown = Table(title="median of the last third beside that of the first", box=box.SIMPLE)
    shown.add_column("quantity")
    for heading in ("first third", "last third", "at most", "flat"):
        shown.add_column(heading, justify="right")
    for v in verdicts:
        values = (f"{number(value)} {v.unit}" for value in (v.first, v.last, v.allowed))
        shown.add_row(v.name, *values, "yes" if v.flat else "NO")
    return shown


if __name__ == "__main__":
    main(prog_name="scripts/soak")
