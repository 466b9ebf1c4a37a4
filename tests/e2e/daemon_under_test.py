"""A daemon with faults that its environment names: a store that kills it, a clock that is set.

KILL_AT, KILL_NTH: see tests/faulty_store.py. FAULT_SEED: see tests/scheduled_faults.py.
LIES: see tests/lying_store.py. HANG: see tests/hanging_store.py.
STOP_SECONDS: instead of the daemon's own. HEALTH: NAME=NUMBER, instead of a constant of
jobmgrd/health.py. WALL_OFFSET: a file with seconds to add to the time.
"""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import click

from jobmgrd import daemon as daemon_module
from jobmgrd import health, logs
from jobmgrd.config import load
from jobmgrd.daemon import Daemon
from jobmgrd.store.port import Store
from jobmgrd.store.schema import Durability
from jobmgrd.store.sqlite import SqliteStore
from tests.faulty_store import Point, faulty
from tests.hanging_store import hanging
from tests.lying_store import lying
from tests.scheduled_faults import scheduled


@click.command()
@click.option("--config", type=click.Path(path_type=Path), required=True)
@click.option("--rundir", type=click.Path(path_type=Path), required=True)
@click.option("--statedir", type=click.Path(path_type=Path), required=True)
def main(config: Path, rundir: Path, statedir: Path) -> None:
    """Run the daemon."""
    logs.configure("info", "json")
    if "HEALTH" in os.environ:
        name, _, number = os.environ["HEALTH"].partition("=")
        setattr(health, name, float(number))
    daemon_module.STOP_SECONDS = float(os.environ.get("STOP_SECONDS", daemon_module.STOP_SECONDS))  # type: ignore[misc]
    daemon = Daemon(load(config), config, rundir, statedir, make_store, wall)
    asyncio.run(daemon.run())


def make_store(path: Path, durability: Durability, clock: Callable[[], float]) -> Store:
    """The store, with its fault if there is to be one."""
    store = SqliteStore(path, durability=durability, clock=clock)
    if "FAULT_SEED" in os.environ:
        return scheduled(store, path, int(os.environ["FAULT_SEED"]))
    if "LIES" in os.environ:
        return lying(store, os.environ["LIES"])
    if "HANG" in os.environ:
        return hanging(store, Path(os.environ["HANG"]))
    if "KILL_AT" not in os.environ:
        return store
    point = cast("Point", os.environ["KILL_AT"])
    return faulty(store, point, int(os.environ["KILL_NTH"]))[0]


def wall() -> float:
    """The time that somebody set."""
    file = os.environ.get("WALL_OFFSET")
    return time.time() + (float(Path(file).read_text()) if file else 0.0)


if __name__ == "__main__":
    main()
