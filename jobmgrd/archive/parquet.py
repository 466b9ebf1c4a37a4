"""Archived jobs as a Parquet file, for tools that read columns; needs pyarrow."""

from collections.abc import Iterable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any, BinaryIO, Final

from msgspec.structs import asdict

from jobmgrd.archive.record import ArchivedJob

GROUP_JOBS: Final = 10_000
GROUP_TEXT: Final = 32 * 2**20
"""A row group ends at this many jobs, or characters of text: what is in memory at a time."""

_TIMES: Final = ("t_submit", "t_run", "t_cleanup", "t_clean", "t_archived")
_TEXTS: Final = ("jobspec", "R", "eventlog", "output", "input")


class PyarrowMissingError(Exception):
    """Parquet was asked for where pyarrow is not installed."""

    def __str__(self) -> str:
        return "Parquet needs pyarrow: pip install 'jobmgrd[parquet]', or export as jsonl"


def write_table(jobs: Iterable[ArchivedJob], file: BinaryIO) -> int:
    """Write a Parquet file; how many jobs.

    Columns are ArchivedJob's fields; times are timestamps in UTC with microseconds, or null.

    Raises:
        PyarrowMissingError: it is not installed.
    """
    arrow, parquet = _module("pyarrow"), _module("pyarrow.parquet")
    schema = _schema(arrow)
    count = 0
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for group in _groups(jobs):
            writer.write_table(arrow.Table.from_pylist(group, schema=schema))
            count += len(group)
    return count


def _module(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise PyarrowMissingError from error


def _schema(arrow: ModuleType) -> Any:  # noqa: ANN401 - pyarrow.Schema
    kinds = {int: arrow.int64(), float: arrow.timestamp("us", tz="UTC")}
    return arrow.schema(
        [
            (name, kinds.get(kind, arrow.string()))
            for name, kind in ArchivedJob.__annotations__.items()
        ]
    )


def _groups(jobs: Iterable[ArchivedJob]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    size = 0
    for job in jobs:
        row = asdict(job)
        row |= {name: round(row[name] * 1e6) or None for name in _TIMES}
        size += sum(len(row[name] or "") for name in _TEXTS)
        group.append(row)
        if len(group) == GROUP_JOBS or size >= GROUP_TEXT:
            yield group
            group, size = [], 0
    if group:
        yield group
