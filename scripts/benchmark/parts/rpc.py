"""What a small RPC costs: the daemon's part, the client library's, and ZeroMQ's."""

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.benchmark.daemon import Daemon
from scripts.benchmark.figures import Reading
from scripts.benchmark.parts import bare
from scripts.benchmark.run import Case, Part, Run
from scripts.benchmark.worker import Worker

TOPIC = "job-manager.getinfo"
DEALER, LOCAL, CLIENT = "bare DEALER", "local connector", "asyncio client"
ECHO = "bare DEALER and echo"


def cases(run: Run) -> Sequence[Case]:
    """One daemon for all clients; the echo right after them."""
    counts = {"sequential": 2000, "pipelined": 16_384}
    if run.quick:
        counts = {name: count // 2 for name, count in counts.items()}
    return [Case(TOPIC, lambda run: measure(run, counts))]


def measure(run: Run, counts: Mapping[str, int]) -> Sequence[Reading]:
    """Ask a daemon by every way in, and an echo with the same frames."""
    with run.state() as state, Daemon(state) as daemon:
        dealer = bare.requests(f"ipc://{daemon.uri}/rpc", TOPIC, None, **counts)
        with Worker("local", path=f"{daemon.uri}/local", topic=TOPIC, **counts) as socket:
            local = socket.read()
        with Worker("call", uri=daemon.uri, topic=TOPIC, **counts) as call:
            client = call.read()
    echo = bare.echoed(run, TOPIC, None, **counts)
    return [
        *_readings(DEALER, dealer, limit=ECHO),
        *_readings(LOCAL, local, limit=ECHO),
        *_readings(CLIENT, client, limit=ECHO),
        *_readings(ECHO, echo),
    ]


def _readings(who: str, said: Mapping[str, Any], limit: str = "") -> Sequence[Reading]:
    names = {"p50": "us", "p99": "us", "pipelined": "rpc/s"}
    values = {"p50": said["p50"], "p99": said["p99"], "pipelined": said["rate"]}
    return [
        Reading(f"{who}, {name}", values[name], unit, f"{limit}, {name}" if limit else "")
        for name, unit in names.items()
    ]


PART = Part(
    "rpc",
    "a small RPC, in sequence and pipelined, by three clients",
    cases,
    bound=60,
    quick_bound=8,
)
