"""How long after a purge its event arrives."""

import struct
import time
from collections.abc import Sequence
from functools import partial

import zmq

from scripts.benchmark.daemon import Daemon
from scripts.benchmark.errors import MeasurementError
from scripts.benchmark.figures import Reading, percentile
from scripts.benchmark.parts import bare
from scripts.benchmark.run import Case, Part, Run
from scripts.benchmark.worker import Worker

TIMES = 300
QUICK_TIMES = 60
PAUSE = 0.002
SECONDS = 30.0


def cases(run: Run) -> Sequence[Case]:
    """Purges of one job and of a whole batch."""
    times = QUICK_TIMES if run.quick else TIMES
    return [
        Case(f"purges of {batch}", partial(measure, times=times, batch=batch)) for batch in (1, 100)
    ]


def measure(run: Run, times: int, batch: int) -> Sequence[Reading]:
    """Purge with pauses while another process listens; then commit and publish without a daemon.

    N.B. the time in an event is read before its transaction, so the figure holds the commit.
    """
    jobs = times * batch
    with (
        run.state(jobs) as state,
        Daemon(state) as daemon,
        Worker("listen", uri=daemon.uri, jobs=jobs, seconds=SECONDS) as listen,
        daemon.client() as client,
    ):
        listen.read()
        for _ in range(times):
            time.sleep(PAUSE)
            client.rpc("job-manager.purge", {"num_limit": 0, "batch": batch, "force": True})
        heard = listen.read()
    if heard["jobs"] != jobs:
        raise MeasurementError(f"{heard['jobs']:,} of {jobs:,} purged jobs were announced")
    with run.state(jobs) as state:
        commit = bare.purged(state, batch)["p50"]
    event = percentile(published(run, times, size=100 + 9 * batch), 50)
    limit = f"purge of {batch}: bare SQLite commit, PUB and SUB, p50"
    return [
        Reading(f"purge of {batch}: commit and event, p50", heard["p50"], "ms", limit),
        Reading(f"purge of {batch}: commit and event, p99", heard["p99"], "ms", limit),
        Reading(limit, commit + event, "ms"),
    ]


def published(run: Run, times: int, size: int) -> list[float]:
    """How long bare messages of that size take from another process, in milliseconds."""
    taken: list[float] = []
    with (
        run.sockets() as endpoint,
        Worker("publish", endpoint=endpoint, count=times, size=size) as publish,
        zmq.Context() as context,
        context.socket(zmq.SUB) as subscriber,
    ):
        publish.read()
        subscriber.setsockopt(zmq.RCVTIMEO, int(SECONDS * 1000))
        subscriber.connect(endpoint)
        subscriber.setsockopt(zmq.SUBSCRIBE, b"")
        for _ in range(times):
            (sent,) = struct.unpack_from("d", subscriber.recv())
            taken.append((time.time() - sent) * 1e3)
        publish.go()
    return taken


PART = Part(
    "events",
    "from the begin of a purge's commit to its event elsewhere",
    cases,
    bound=60,
    quick_bound=8,
)
