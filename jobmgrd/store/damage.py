"""What SQLite finds wrong with a file of its own."""

import sqlite3
from typing import Final

SHOWN: Final = 20
"""Faults that are worth reading."""


def damage_of(db: sqlite3.Connection) -> list[str]:
    """A line for each fault (PRAGMA integrity_check); none if the file is sound."""
    try:
        found = [text for (text,) in db.execute(f"PRAGMA integrity_check({SHOWN})")]
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [] if found == ["ok"] else found
