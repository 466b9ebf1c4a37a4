"""An archive under test, open and empty."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jobmgrd.archive.sqlite import SqliteArchive
from tests.archive.sample import archive_path


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[SqliteArchive]:
    """A new archive, open while the test runs."""
    kept = SqliteArchive(archive_path(tmp_path))
    await kept.open()
    yield kept
    await kept.close()
