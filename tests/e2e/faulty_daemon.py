"""A daemon whose store kills it at one step of a purge: the fault is named by the environment."""

import asyncio
import os
from pathlib import Path

import click
from tests.faulty_store import FaultyStore

from jobmgrd import logs
from jobmgrd.config import load
from jobmgrd.daemon import Daemon
from jobmgrd.store.port import Store
from jobmgrd.store.schema import Durability
from jobmgrd.store.sqlite import SqliteStore


@click.command()
@click.option("--config", type=click.Path(path_type=Path), required=True)
@click.option("--rundir", type=click.Path(path_type=Path), required=True)
@click.option("--statedir", type=click.Path(path_type=Path), required=True)
def main(config: Path, rundir: Path, statedir: Path) -> None:
    """Run the daemon with $KILL_AT and $KILL_NTH."""
    loaded = load(config)
    logs.configure("info", "json")
    daemon = Daemon(loaded, config, rundir, statedir, faulty)
    asyncio.run(daemon.run())


def faulty(path: Path, durability: Durability) -> Store:
    """The store, with its fault."""
    store = SqliteStore(path, durability=durability)
    return FaultyStore(store, kill_at=os.environ["KILL_AT"], nth=int(os.environ["KILL_NTH"]))


if __name__ == "__main__":
    main()
