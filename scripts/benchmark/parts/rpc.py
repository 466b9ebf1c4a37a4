"""What a small RPC costs: the daemon's part, the client library's, and ZeroMQ's.

A run directory as URI is what users have: the clients then choose the local connector.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.benchmark.daemon import Daemon
from scripts.benchmark.figures import Reading
from scripts.benchmark.parts import bare
from scripts.benchmark.run import Case, Part, Run
from scripts.benchmark.worker import Worker

TOPIC = "job-manager.getinfo"
DEALER, LOCAL = "bare DEALER", "local connector"
OVER_IPC, OVER_LOCAL = "asyncio client over ipc", "asyncio client over local"
BLOCKING = "blocking client over local"
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
        with Worker("call", uri=f"ipc://{daemon.uri}/rpc", topic=TOPIC, **counts) as call:
            over_ipc = call.read()
        with Worker("call", uri=daemon.uri, topic=TOPIC, **counts) as call:
            over_local = call.read()
        count = counts["sequential"]
        with Worker("call_blocking", uri=daemon.uri, topic=TOPIC, sequential=count) as call:
            blocking = call.read()
    echo = bare.echoed(run, TOPIC, None, **counts)
    return [
        *_readings(DEALER, dealer, limit=ECHO),
        *_readings(LOCAL, local, limit=ECHO),
        *_readings(OVER_IPC, over_ipc, limit=ECHO),
        *_readings(OVER_LOCAL, over_local, limit=ECHO),
        *_readings(BLOCKING, blocking, limit=ECHO),
        *_readings(ECHO, echo),
    ]


def _readings(who: str, said: Mapping[str, Any], limit: str = "") -> Sequence[Reading]:
    names = {"p50": ("p50", "us"), "p99": ("p99", "us"), "rate": ("pipelined", "rpc/s")}
    return [
        Reading(f"{who}, {name}", said[key], unit, f"{limit}, {name}" if limit else "")
        for key, (name, unit) in names.items()
        if key in said
    ]


PART = Part(
    "rpc",
    "a small RPC, in sequence and pipelined, by bare sockets and by the client library",
    cases,
    bound=60,
    quick_bound=9,
)
