"""Files as released versions wrote them, as SQL text: files/VERSION.KIND.sql.

    python -m tests.upgrade.released STATEDIR     writes those of the version in this tree

The text has what SQLite's own dump leaves out: the numbers in the file's header.
"""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Final

from jobmgrd import VERSION

DIRECTORY: Final = Path(__file__).with_name("files")
HEADER: Final = ("application_id", "user_version")


def dump(path: Path) -> str:
    """A file as SQL text."""
    with closing(sqlite3.connect(path)) as db:
        header = [(name, *db.execute(f"PRAGMA {name}").fetchone()) for name in HEADER]
        pragmas = [f"PRAGMA {name} = {value};" for name, value in header]
        return "\n".join(["PRAGMA auto_vacuum = INCREMENTAL;", *pragmas, *db.iterdump(), ""])


def make(version: str, kind: str, path: Path) -> None:
    """A file as it was, of kind "store" or "archive"."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as db:
        db.executescript((DIRECTORY / f"{version}.{kind}.sql").read_text())
    path.chmod(0o600)


def versions() -> list[str]:
    """The versions that there are files of."""
    return sorted(path.name.removesuffix(".store.sql") for path in DIRECTORY.glob("*.store.sql"))


if __name__ == "__main__":
    state = Path(sys.argv[1])
    for kind, name in (("store", "jobs.sqlite"), ("archive", "archive.sqlite")):
        (DIRECTORY / f"{VERSION}.{kind}.sql").write_text(dump(state / name))
