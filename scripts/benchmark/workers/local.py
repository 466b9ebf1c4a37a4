"""Sends requests over the local connector, one after the other and pipelined, as flux does."""

import socket
import time

from protocol import stream
from protocol.message import Request
from scripts.benchmark.figures import percentile
from scripts.benchmark.workers import arguments, say

IN_FLIGHT = 512
CHUNK = 1 << 16
MESSAGE_MAX = 1 << 20


def main(path: str, topic: str, sequential: int, pipelined: int) -> None:
    """Say p50 and p99 of the ones in sequence, in microseconds, and the rate of the others."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as local:
        local.connect(path)
        if local.recv(1) != stream.GREETING:
            raise ConnectionRefusedError(path)
        answers = stream.Splitter(MESSAGE_MAX)
        request = stream.encode(Request(topic, matchtag=1).frames())
        taken = []
        for _ in range(sequential):
            begin = time.perf_counter()
            local.sendall(request)
            receive(local, answers, 1)
            taken.append((time.perf_counter() - begin) * 1e6)
        begin = time.monotonic()
        for _ in range(pipelined // IN_FLIGHT):
            local.sendall(request * IN_FLIGHT)
            receive(local, answers, IN_FLIGHT)
        rate = pipelined // IN_FLIGHT * IN_FLIGHT / (time.monotonic() - begin)
    say(p50=percentile(taken, 50), p99=percentile(taken, 99), rate=rate)


def receive(local: socket.socket, answers: stream.Splitter, count: int) -> None:
    """Wait for so many responses."""
    while count > 0:
        count -= sum(1 for _ in answers.feed(local.recv(CHUNK)))


if __name__ == "__main__":
    main(**arguments())
