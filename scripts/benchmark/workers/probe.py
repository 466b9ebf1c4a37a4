"""Asks for stats again and again, with a pause, as a person's monitoring would."""

import time

from jobmgrd.client import BlockingClient
from scripts.benchmark.figures import percentile
from scripts.benchmark.workers import arguments, say, told

PAUSE = 0.002


def main(uri: str) -> None:
    """Say p50 and p99, in milliseconds, of the requests since the suite asked last."""
    with BlockingClient(uri) as client:
        client.rpc("job-manager.stats-get")
        say()
        while True:
            taken: list[float] = []
            while not taken or not told(PAUSE):
                begin = time.monotonic()
                client.rpc("job-manager.stats-get")
                taken.append((time.monotonic() - begin) * 1e3)
            say(p50=percentile(taken, 50), p99=percentile(taken, 99), count=len(taken))


if __name__ == "__main__":
    main(**arguments())
