"""Calls a daemon with the blocking client, one RPC after the other."""

import time

from jobmgrd.client import BlockingClient
from scripts.benchmark.figures import percentile
from scripts.benchmark.workers import arguments, say


def main(uri: str, topic: str, sequential: int) -> None:
    """Say p50 and p99, in microseconds."""
    with BlockingClient(uri) as client:
        client.rpc(topic)
        taken = []
        for _ in range(sequential):
            begin = time.perf_counter()
            client.rpc(topic)
            taken.append((time.perf_counter() - begin) * 1e6)
    say(p50=percentile(taken, 50), p99=percentile(taken, 99))


if __name__ == "__main__":
    main(**arguments())
