"""The bare limit of an RPC: a ROUTER that sends back what it gets, and nothing else."""

import zmq

from scripts.benchmark.workers import arguments, say


def main(endpoint: str) -> None:
    """Echo until the suite ends the process."""
    router: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.ROUTER)
    for option in (zmq.SNDHWM, zmq.RCVHWM):
        router.setsockopt(option, 0)
    router.bind(endpoint)
    say()
    while True:
        router.send_multipart(router.recv_multipart())


if __name__ == "__main__":
    main(**arguments())
