"""Programs that write to an archive in a process of their own, to be killed or starved.

python -m tests.archive.writing forever PATH    archive jobs 1, 2, ...; print each once durable
python -m tests.archive.writing starved PATH    fill a file of limited size, then lift the limit
"""

import asyncio
import json
import resource
import sys
from itertools import count
from pathlib import Path

from jobmgrd.archive.port import ArchiveError
from jobmgrd.archive.sqlite import SqliteArchive
from tests.archive.sample import job


async def forever(archive: SqliteArchive) -> None:
    """Archive in batches of three, and say the last id of each."""
    for first in count(1, 3):
        await archive.put([job(first), job(first + 1), job(first + 2)])
        print(first + 2, flush=True)  # noqa: T201 - the parent reads it


async def starved(archive: SqliteArchive) -> None:
    """Print what an archive does when its files must not grow, and when they may again."""
    await archive.open()
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, resource.RLIM_INFINITY))
    kept = 0
    failure: ArchiveError | None = None
    while failure is None:
        try:
            await archive.put([job(kept + 1)])
            kept += 1
        except ArchiveError as error:
            failure = error
    full = archive.stats()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await archive.put([job(kept + 1), job(kept + 2)])
    after = archive.stats()
    await archive.close()
    report = {
        "kept": kept,
        "errnum": failure.errnum,
        "text": failure.text,
        "failures": full.failures,
        "last_error": full.last_error,
        "archived": after.archived,
        "last_error_after": after.last_error,
    }
    print(json.dumps(report))  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    asyncio.run(
        {"forever": forever, "starved": starved}[sys.argv[1]](SqliteArchive(Path(sys.argv[2])))
    )
