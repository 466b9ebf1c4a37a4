"""The version of an SQLite file: who wrote it, and how an older one becomes the newest.

Theory of upgrades: a migration is SQL that makes version n + 1 of version n. All that are due run
in one transaction together with the new number, so that a file is of one version or of another,
whatever happens. There is no way back: a newer file is refused before anything touches it.
"""

import errno
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from jobmgrd.store.port import StoreError


class FileFormat(Struct, frozen=True):
    """A kind of SQLite file."""

    name: str  # for people, with its article
    application_id: int  # tells it from other SQLite files
    version: int  # the newest, kept in user_version
    create: str  # SQL that makes the newest of an empty file
    migrations: Mapping[int, str] = {}  # version -> the SQL that makes the next one of it


def version_of(db: sqlite3.Connection, path: Path, format: FileFormat) -> int:
    """The file's version, 0 if it is empty. Changes nothing.

    Raises:
        StoreError: it was written by a newer jobmgrd, or by something else.
    """
    (application_id,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and application_id != format.application_id:
        raise StoreError(errno.EINVAL, f"{path} is not {format.name} of jobmgrd")
    if version > format.version:
        text = f"{path} has version {version}, written by a newer jobmgrd"
        raise StoreError(errno.EINVAL, f"{text}; this one knows {format.version}")
    return int(version)


def upgrade(db: sqlite3.Connection, version: int, format: FileFormat) -> None:
    """Bring a file of this version to the newest; if that fails, closing `db` leaves it as it was.

    Raises:
        sqlite3.Error: a migration failed.
    """
    if version == format.version:
        return
    steps = [format.migrations[n] for n in range(version, format.version)] if version else []
    header = (
        f"PRAGMA application_id = {format.application_id};PRAGMA user_version = {format.version};"
    )
    db.executescript("BEGIN IMMEDIATE;" + "".join(steps or [format.create]) + header + "COMMIT;")
