"""jobmgrd backup and restore: copies of store and archive, and the way back."""

import time
from pathlib import Path
from typing import Final

import click

from jobmgrd.cli.places import Places
from jobmgrd.commits import POSITION
from jobmgrd.private import make_private
from jobmgrd.store.backup import back_up, snapshot
from jobmgrd.store.backup import restore as restore_store

STORE: Final = "jobs.sqlite"
ARCHIVE: Final = "archive.sqlite"

_directory = click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))


@click.command(short_help="Copy store and archive, also while the daemon runs.")
@_directory
@click.pass_obj
def backup(places: Places, directory: Path) -> None:
    """Copy the store and the archive to DIR, also while the daemon runs.

    The copies are whole and consistent: each is a snapshot, and a job that is purged meanwhile is
    in one of them at least. DIR is made for its owner alone, and must not hold a backup yet.
    """
    make_private(directory)
    back_up(places.store, directory / STORE, time.time())
    click.echo(f"copied {places.store} to {directory / STORE}")
    # N.B. after the store: what was purged in between is in both, and not in neither
    if places.archive and places.archive.exists():
        snapshot(places.archive, directory / ARCHIVE)
        click.echo(f"copied {places.archive} to {directory / ARCHIVE}")


@click.command(short_help="Put a backup in place.")
@_directory
@click.option("--replace", is_flag=True, help="Set a store that is there aside, as NAME.old.")
@click.pass_obj
def restore(places: Places, directory: Path, *, replace: bool) -> None:
    """Put the store of a backup in place, and its archive if there is none; needs a stopped daemon.

    Jobs that were active when the backup was made are active again: queued ones run (again), and
    running ones end with an exception. Ids that were given out since are not given out again.
    """
    make_private(places.statedir)
    active = restore_store(
        directory / STORE, places.store, time.time(), replace=replace, forget=(POSITION,)
    )
    click.echo(f"restored {places.store}: {active} active jobs")
    kept = directory / ARCHIVE
    if places.archive is None or not kept.exists():
        return
    if places.archive.exists():
        click.echo(f"kept {places.archive} as it is")
        return
    snapshot(kept, places.archive)
    click.echo(f"restored {places.archive}")
