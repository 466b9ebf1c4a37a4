"""jobmgrd check: whether configuration, directories, store and archive are sound."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from jobmgrd.archive.check import check as check_archive
from jobmgrd.archive.port import ArchiveError
from jobmgrd.cli.places import Places
from jobmgrd.private import DirectoryError, make_private
from jobmgrd.store.check import check as check_store
from jobmgrd.store.port import StoreError
from jobmgrd.store.sqlite_errors import WHAT_TO_DO


@click.command(short_help="Check configuration, directories, store and archive.")
@click.pass_obj
def check(places: Places) -> None:
    """Check the configuration, the directories, the store and the archive; exit 1 if one is bad.

    All of the store is read, which takes seconds for a million jobs; a daemon may run meanwhile.
    """
    for warning in places.loaded.warnings:
        click.echo(f"warning: {warning}")
    click.echo("configuration: valid")
    faults = [*_directories(places), *_store(places.store), *_archive(places.archive)]
    for fault in faults:
        click.echo(f"jobmgrd: {fault}", err=True)
    sys.exit(bool(faults))


def _directories(places: Places) -> Iterator[str]:
    for name, directory in (("run", places.rundir), ("state", places.statedir)):
        if not directory.exists():
            click.echo(f"{name} directory {directory}: not made yet")
            continue
        try:
            make_private(directory)
            click.echo(f"{name} directory {directory}: private")
        except DirectoryError as error:
            yield str(error)


def _store(path: Path) -> Iterator[str]:
    if not path.exists():
        click.echo(f"store {path}: not made yet")
        return
    try:
        found = check_store(path)
    except StoreError as error:
        yield str(error)
        return
    if found.faults:
        yield f"{path} is damaged: {WHAT_TO_DO}"
        yield from found.faults
        return
    click.echo(
        f"store {path}: sound (version {found.version}; {found.active} active and"
        f" {found.inactive} inactive jobs, {found.tombstones} purged ones remembered,"
        f" {found.orphans} orphans)"
    )


def _archive(path: Path | None) -> Iterator[str]:
    if path is None:
        return
    if not path.exists():
        click.echo(f"archive {path}: not made yet")
        return
    try:
        found = check_archive(path)
    except ArchiveError as error:
        yield str(error)
        return
    if found.faults:
        yield f"{path} is damaged: move it away, and a new one is begun"
        yield from found.faults
        return
    click.echo(f"archive {path}: sound (version {found.version}; {found.jobs} jobs)")
