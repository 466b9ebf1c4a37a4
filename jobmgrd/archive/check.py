"""Whether an archive is sound. Reads one snapshot, so a daemon may write meanwhile."""

import sqlite3
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from jobmgrd.archive.schema import FORMAT, archive_error, open_reader
from jobmgrd.store.damage import damage_of
from jobmgrd.store.port import StoreError
from jobmgrd.store.version import version_of


class Finding(Struct, frozen=True):
    """What was found in an archive; it is sound if there are no faults."""

    version: int
    jobs: int = 0
    faults: tuple[str, ...] = ()


def check(path: Path) -> Finding:
    """Look at all of an archive.

    Raises:
        ArchiveError: there is none, it is something else, or was written by a newer jobmgrd.
    """
    try:
        with closing(open_reader(path)) as db:
            version = version_of(db, path, FORMAT)
            if damage := damage_of(db):
                return Finding(version, faults=tuple(damage))
            (jobs,) = db.execute("SELECT count(*) FROM job").fetchone()
            return Finding(version, jobs)
    except (sqlite3.Error, OSError, StoreError) as error:
        raise archive_error(error, path) from error
