"""How fast history goes, who is kept waiting meanwhile, and whether the disk space comes back."""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from jobmgrd.client import BlockingClient
from scripts.benchmark.daemon import CONFIG, CORES, Daemon
from scripts.benchmark.errors import MeasurementError
from scripts.benchmark.figures import Reading
from scripts.benchmark.history import FILE, Order
from scripts.benchmark.parts import bare
from scripts.benchmark.run import Case, Part, Run, until
from scripts.benchmark.worker import Worker

HISTORIES: Sequence[tuple[int, Order]] = ((200_000, "id"), (200_000, "random"), (1_000_000, "id"))
QUICK_HISTORIES: Sequence[tuple[int, Order]] = ((10_000, "id"), (10_000, "random"))
ARCHIVED_MAX = 200_000
BATCH = 100
REST_SECONDS = 0.5
SPACE_SECONDS = 60.0
HEARTBEAT_SECONDS = 20.0
"""After this time the rate by heartbeat is that of the jobs purged so far."""
PERIOD = "200ms"


def cases(run: Run) -> Sequence[Case]:
    """By RPC with and without an archive, by heartbeat, and by SQLite alone."""
    ways = {
        "by RPC": by_rpc,
        "archived first": archived_first,
        "by heartbeat": by_heartbeat,
        "by SQLite": by_sqlite,
    }
    return [
        Case(
            f"{jobs:,}, {order} order, {name}",
            partial(way, jobs=jobs, what=f"{jobs:,}, {order} order", order=order),
            slow=not run.quick,
        )
        for jobs, order in (QUICK_HISTORIES if run.quick else HISTORIES)
        for name, way in ways.items()
        if not (run.quick and order == "random" and way in (archived_first, by_heartbeat))
        if not (way is archived_first and jobs > ARCHIVED_MAX)
    ]


def by_rpc(run: Run, jobs: int, order: Order, what: str) -> Sequence[Reading]:
    """One client asks again until less than a batch went; another one asks for stats."""
    with run.state(jobs, order) as state, Daemon(state) as daemon, daemon.client() as client:
        before = on_disk(state)
        with Worker("probe", uri=daemon.uri) as probe:
            probe.read()
            time.sleep(REST_SECONDS)
            probe.go()
            rest = probe.read()
            rate = purge_all(client, jobs)
            probe.go()
            meanwhile = probe.read()
        waited = until(lambda: _settled(client, state), SPACE_SECONDS)
        after = on_disk(state)
    p50, p99 = f"{what}: p50 at rest", f"{what}: p99 at rest"
    return [
        Reading(f"{what}: by RPC", rate, "job/s", _bare(what)),
        Reading(f"{what}: stats-get meanwhile, p50", meanwhile["p50"], "ms", p50),
        Reading(f"{what}: stats-get meanwhile, p99", meanwhile["p99"], "ms", p99),
        Reading(f"{what}: on disk before", before, "MiB"),
        Reading(f"{what}: on disk after", after, "MiB", f"{_bare(what)}, vacuumed"),
        Reading(f"{what}: disk space coming back", (before - after) / waited, "MiB/s"),
        Reading(p50, rest["p50"], "ms"),
        Reading(p99, rest["p99"], "ms"),
    ]


def archived_first(run: Run, jobs: int, order: Order, what: str) -> Sequence[Reading]:
    """The same with an archive, where every job is durable before it goes."""
    config = f"{CONFIG}\n[job-manager.archive]\n"
    with (
        run.state(jobs, order) as state,
        Daemon(state, config) as daemon,
        daemon.client() as client,
    ):
        rate = purge_all(client, jobs)
        archived = client.rpc("job-manager.stats-get")["archive"]["archived"]
    if archived != jobs:
        raise MeasurementError(f"{archived:,} of {jobs:,} jobs were archived")
    return [Reading(f"{what}: by RPC, archived first", rate, "job/s", _bare(what))]


def purge_all(client: BlockingClient, jobs: int) -> float:
    """Purge batch after batch until none is full; jobs a second.

    Raises:
        MeasurementError: not all of them went.
    """
    begin = time.monotonic()
    gone, count = 0, BATCH
    while count == BATCH:
        request = {"num_limit": 0, "batch": BATCH, "force": True}
        count = client.rpc("job-manager.purge", request)["count"]
        gone += count
    if gone != jobs:
        raise MeasurementError(f"{gone:,} of {jobs:,} jobs were purged")
    return gone / (time.monotonic() - begin)


def by_heartbeat(run: Run, jobs: int, order: Order, what: str) -> Sequence[Reading]:
    """Lower the limit, and let the heartbeat do it, in the part of its time that it may take."""
    with (
        run.state(jobs, order) as state,
        Daemon(state) as daemon,
        Worker("listen", uri=daemon.uri, jobs=jobs, seconds=HEARTBEAT_SECONDS) as listen,
        daemon.client() as client,
    ):
        listen.read()
        begin = time.monotonic()
        client.rpc("config.load", _config(num_limit=0))
        heard = listen.read()
    rate = heard["jobs"] / (heard["last"] - begin)
    return [Reading(f"{what}: by heartbeats of {PERIOD}", rate, "job/s", _bare(what))]


def by_sqlite(run: Run, jobs: int, order: Order, what: str) -> Sequence[Reading]:
    """Have SQLite alone delete the same rows from the same file."""
    with run.state(jobs, order) as state:
        done = bare.purged(state, BATCH)
    return [
        Reading(_bare(what), done["rate"], "job/s"),
        Reading(f"{_bare(what)}, vacuumed", done["size"] / 2**20, "MiB"),
    ]


def on_disk(state: Path) -> float:
    """What the jobs' file and its log take on their disk, in MiB."""
    return sum(path.stat().st_blocks for path in _files(state)) * 512 / 2**20


def _settled(client: BlockingClient, state: Path) -> bool:
    """Whether nothing of the file is free any more, and its log is empty."""
    stats = client.rpc("job-manager.stats-get")
    logs = _files(state)[1:]
    return stats["store"]["free"] == 0 and not any(log.stat().st_blocks for log in logs)


def _files(state: Path) -> list[Path]:
    """The file, and its log if there is one."""
    return [path for path in (state / FILE, state / f"{FILE}-wal") if path.exists()]


def _config(num_limit: int) -> dict[str, object]:
    return {
        "heartbeat": {"period": PERIOD},
        "job-manager": {"inactive-num-limit": num_limit},
        "resource": {"cores": CORES},
        "daemon": {"log-level": "warning"},
    }


def _bare(what: str) -> str:
    return f"{what}: bare SQLite"


PART = Part(
    "purge",
    "purging a whole history by RPC and by heartbeat, stats-get meanwhile, bytes on disk",
    cases,
    bound=740,
    quick_bound=20,
)
