"""The bare limit of an event: a PUB that sends its clock."""

import struct
import time

import zmq

from scripts.benchmark.workers import arguments, say, wait

PAUSE = 0.002


def main(endpoint: str, count: int, size: int) -> None:
    """Publish messages of `size` bytes that begin with the time (float64, seconds), with pauses."""
    publisher: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.XPUB)
    publisher.bind(endpoint)
    say()
    publisher.recv()  # the subscription
    for _ in range(count):
        time.sleep(PAUSE)
        publisher.send(struct.pack("d", time.time()) + bytes(size - 8))
    wait()


if __name__ == "__main__":
    main(**arguments())
