"""The load command: a crowd, followers, a subscriber that is deaf, a storm and a purge at once.

Everything is bounded, in number by the options and in time by --seconds, and on this host alone.
"""

import resource
import sys
import time
from contextlib import ExitStack
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
from scripts.benchmark.history import Histories
from scripts.benchmark.report import number
from scripts.benchmark.run import workplace
from scripts.benchmark.worker import Worker

FILES: Final = 16384
BATCH: Final = 100
CACHES: Final = 2
SAMPLE: Final = 1.0

Said = dict[str, Any]


class Sizes(Struct, frozen=True):
    """How much of everything."""

    clients: int
    subscribers: int
    followers: int
    submits: int
    history: int
    seconds: float


class Load(Struct, frozen=True):
    """What a run has found; times are seconds, latencies ms, memory MiB."""

    sizes: Sizes
    machine: dict[str, str]
    storm: Said
    purge: Said
    listeners: Said
    followers: Said
    latency: list[Said]  # of stats-get, second by second
    before: float  # resident memory with the crowd, before the storm
    peak: float
    after: float
    refused: dict[str, int]
    lost: dict[str, int]  # what was promised and is not there: all have to be 0


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--clients", type=click.IntRange(1, 5000), default=2000, show_default=True)
@click.option("--subscribers", type=click.IntRange(2, 5000), default=1000, show_default=True)
@click.option("--followers", type=click.IntRange(1, 1000), default=200, show_default=True)
@click.option("--submits", type=click.IntRange(1, 10**6), default=100_000, show_default=True)
@click.option("--history", type=click.IntRange(0, 10**7), default=1_000_000, show_default=True)
@click.option(
    "--seconds",
    type=click.FloatRange(1, 3600),
    default=600.0,
    show_default=True,
    help="How long storm and purge may take; then it is given up.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("bench-results/load.json"),
    show_default=True,
    help="Where all that was found goes.",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Where the store is kept meanwhile; on a disk, not in memory.",
)
def main(output: Path, directory: Path | None, **sizes: Any) -> None:  # noqa: ANN401 - click's
    """See what a daemon loses under load: nothing that an answer or a seq promises.

    Idle clients and subscribers are connected, followers of the purge log and two of all jobs, and
    a subscriber that does not read. Then jobs are submitted and history is purged at once.
    """
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    allow_files()
    try:
        with ended_by_sigterm(), workplace(directory) as place:
            load = run(place, Sizes(**sizes))
    except MeasurementError as error:
        console.print(f"not measured: {error}", markup=False)
        sys.exit(FAILED)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(msgspec.json.format(msgspec.json.encode(load)) + b"\n")
    console.print(shown(load))
    console.print(f"wrote {output}", soft_wrap=True)
    if any(load.lost.values()):
        sys.exit(WORSE)


def allow_files() -> None:
    """Let this process, and those it starts, have a descriptor for each of the crowd."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def run(place: Path, sizes: Sizes) -> Load:
    """Load a daemon that keeps its store in `place`.

    Raises:
        MeasurementError: something has ended that should not, or took too long.
    """
    state, answered = place / "state", place / "answered"
    Histories(place).copy(sizes.history, "id", state)
    with ExitStack() as stack:
        daemon = stack.enter_context(Daemon(state, CONFIG))
        events = f"ipc://{daemon.uri}/events"
        crowd = Worker("crowd", rpc=f"ipc://{daemon.uri}/rpc", events=events,
                       clients=sizes.clients, subscribers=1)  # fmt: skip
        listeners = Worker("listeners", events=events, count=sizes.subscribers)
        followers = Worker("followers", uri=daemon.uri, count=sizes.followers, caches=CACHES,
                           answered=str(answered))  # fmt: skip
        storm = Worker("storm", uri=daemon.uri, count=sizes.submits, answered=str(answered))
        drainer = Worker("drainer", uri=daemon.uri, count=sizes.history, batch=BATCH)
        probe = Worker("probe", uri=daemon.uri)
        for worker in (crowd, listeners, followers, storm, drainer, probe):
            stack.enter_context(worker)
            worker.read()
        before = resident(daemon.pid)
        storm.go()
        drainer.go()
        latency, peak = _watch(daemon, probe, (storm, drainer), sizes.seconds)
        storm_said, drainer_said = storm.read(), drainer.read()
        with daemon.client() as client:
            refused = client.rpc("job-manager.stats-get")["refused"]
            followers.go()
            followers_said = followers.read(sizes.seconds)
            listeners.go()
            listeners_said = listeners.read(sizes.seconds)
            after = resident(daemon.pid)
            lost = {
                "answered submits": _lost(client, answered, sizes.submits),
                "records of followers": followers_said["gaps"] + followers_said["behind"],
                "subscribers not told of a loss": listeners_said["behind"],
                "jobs unseen by caches that never began anew": (
                    0 if followers_said["resyncs"] else followers_said["unseen"]
                ),
            }
        return Load(
            sizes=sizes,
            machine=dict(machine.describe(place)),
            storm=storm_said,
            purge=drainer_said,
            listeners=listeners_said,
            followers=followers_said,
            latency=latency,
            before=before,
            peak=peak,
            after=after,
            refused=refused,
            lost=lost,
        )


def _watch(
    daemon: Daemon, probe: Worker, workers: tuple[Worker, ...], seconds: float
) -> tuple[list[Said], float]:
    """Sample latency and memory until the workers have said something."""
    latency: list[Said] = []
    peak, deadline = 0.0, time.monotonic() + seconds
    while not all(worker.has_said for worker in workers):
        if time.monotonic() > deadline:
            raise MeasurementError(f"storm and purge took more than {seconds:.0f} s")
        time.sleep(SAMPLE)
        probe.go()
        latency.append(probe.read())
        peak = max(peak, resident(daemon.pid))
    return latency, peak


def _lost(client: BlockingClient, answered: Path, submits: int) -> int:
    """How many answered jobs are neither kept nor in the purge log, once, or were not answered."""
    ids = [int(line) for line in answered.read_text().split()]
    listing = {"max_entries": 0, "attrs": []}
    there = {job["id"] for page in client.stream("job-list.list", listing) for job in page["jobs"]}
    for record in client.stream("job-manager.purge-log", {}):
        there.update(record["jobs"])
    return (submits - len(set(ids))) + sum(id not in there for id in ids)


def shown(load: Load) -> Table:
    """What a person reads."""
    sizes, storm, purge, heard = load.sizes, load.storm, load.purge, load.listeners
    p50 = sorted(said["p50"] for said in load.latency)
    p99 = sorted(said["p99"] for said in load.latency)
    rows = {
        "clients, subscribers, followers": (
            f"{sizes.clients:,}, {sizes.subscribers:,}, {sizes.followers:,}"
        ),
        "submits": f"{storm['answered']:,} in {storm['seconds']:.1f} s,"
        f" p50 {number(storm['p50'])} ms, p99 {number(storm['p99'])} ms",
        "purged": f"{purge['purged']:,} in {purge['seconds']:.1f} s, {purge['seq']:,} batches",
        "stats-get meanwhile": f"p50 {number(p50[len(p50) // 2])} ms,"
        f" p99 {number(p99[len(p99) // 2])} ms (median second), {number(p99[-1])} ms (worst)",
        "resident memory": f"{load.before:.0f} MiB, at most {load.peak:.0f},"
        f" afterwards {load.after:.0f}",
        "events heard, told to be missed": f"{heard['heard']:,}, {heard['missed']:,}",
        "events the deaf one heard": f"{heard['deaf_heard']:,} of {heard['last']:,}",
        "caches": f"{load.followers['resyncs']} began anew,"
        f" {load.followers['unseen']:,} jobs unseen",
        "refused": ", ".join(f"{n} {name}" for name, n in load.refused.items() if n) or "nothing",
        **{f"lost: {name}": str(n) for name, n in load.lost.items()},
    }
    table = Table(title="load", box=box.SIMPLE, show_header=False)
    for name, value in rows.items():
        table.add_row(name, value)
    return table


if __name__ == "__main__":
    main(prog_name="scripts/load")
