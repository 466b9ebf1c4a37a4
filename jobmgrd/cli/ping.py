"""jobmgr ping: is the daemon there, and how long does an answer take."""

import time
from itertools import count as numbers

import click

from jobmgrd.cli.connection import connect
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.words.fsd import FSD


@click.command(
    epilog=examples(
        "jobmgr ping                    until Ctrl-C",
        "jobmgr ping -c1 job-info       once; exits 0 if the service answers",
    )
)
@click.option(
    "-c", "--count", type=click.IntRange(min=1), metavar="N", help="Exit after this many answers."
)
@click.option("-i", "--interval", type=FSD, default=1.0, help="Time between two  [default: 1s]")
@click.argument("service", default="job-manager", metavar="[SERVICE]")
def ping(service: str, count: int | None, interval: float) -> None:
    """Ask a service, by default job-manager, for an answer, and print how long that took."""
    with connect() as client:
        for seq in numbers() if count is None else range(count):
            if seq:
                time.sleep(interval)
            start = time.perf_counter()
            client.rpc(f"{service}.ping", {"seq": seq})
            milliseconds = (time.perf_counter() - start) * 1000
            click.echo(f"{service}.ping seq={seq} time={milliseconds:.3f} ms")
