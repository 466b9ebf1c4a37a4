"""Sends requests over a bare DEALER, one after the other and pipelined; to a daemon or an echo."""

import time
from typing import Any

import zmq

from protocol.message import Request
from protocol.payload import encode
from scripts.benchmark.figures import percentile
from scripts.benchmark.workers import arguments, say

IN_FLIGHT = 512


def main(
    endpoint: str, topic: str, payload: dict[str, Any] | None, sequential: int, pipelined: int
) -> None:
    """Say p50 and p99 of the ones in sequence, in microseconds, and the rate of the others."""
    dealer: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    dealer.connect(endpoint)
    body = None if payload is None else encode(payload)
    frames = Request(topic, body, matchtag=1).frames()
    answered(dealer, frames)
    taken = [answered(dealer, frames) * 1e6 for _ in range(sequential)]
    begin = time.monotonic()
    for n in range(pipelined):
        if n >= IN_FLIGHT:
            dealer.recv_multipart()
        dealer.send_multipart(frames)
    for _ in range(min(pipelined, IN_FLIGHT)):
        dealer.recv_multipart()
    rate = pipelined / (time.monotonic() - begin)
    p50, p99 = (percentile(taken or [0.0], percent) for percent in (50, 99))
    say(p50=p50, p99=p99, rate=rate)


def answered(dealer: "zmq.Socket[bytes]", frames: list[bytes]) -> float:
    """Ask once; the seconds until the answer."""
    begin = time.perf_counter()
    dealer.send_multipart(frames)
    dealer.recv_multipart()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main(**arguments())
