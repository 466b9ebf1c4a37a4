"""Purges everything that has ended, batch by batch, until so many jobs are gone."""

import time

from jobmgrd.client import BlockingClient
from scripts.benchmark.workers import arguments, say, wait

TIMEOUT = 120.0
PAUSE = 0.01


def main(uri: str, count: int, batch: int) -> None:
    """Purge at least `count` jobs; say how many, how fast and which was the last batch."""
    request = {"num_limit": 0, "batch": batch, "force": True}
    with BlockingClient(uri, timeout=TIMEOUT) as client:
        say()
        wait()
        begin, purged, seq = time.monotonic(), 0, 0
        while purged < count:
            reply = client.rpc("job-manager.purge", request)
            purged, seq = purged + reply["count"], reply.get("seq") or seq
            if not reply["count"]:
                time.sleep(PAUSE)  # no other has ended yet
    say(purged=purged, seq=seq, seconds=time.monotonic() - begin)


if __name__ == "__main__":
    main(**arguments())
