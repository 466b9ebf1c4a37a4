"""Asks one thing after the other over a bare DEALER, for some seconds each time that it is told."""

import time

import zmq

from protocol.message import Request
from scripts.benchmark.figures import percentile
from scripts.benchmark.workers import arguments, say, wait
from scripts.benchmark.workers.request import answered


def main(endpoint: str, topic: str, seconds: float) -> None:
    """Say the rate, and the p99 in milliseconds."""
    dealer: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    dealer.connect(endpoint)
    frames = Request(topic, matchtag=1).frames()
    answered(dealer, frames)
    say()
    while True:
        wait()
        begin, taken = time.monotonic(), list[float]()
        while (passed := time.monotonic() - begin) < seconds:
            taken.append(answered(dealer, frames))
        say(rate=len(taken) / passed, p99=percentile(taken, 99) * 1e3)


if __name__ == "__main__":
    main(**arguments())
