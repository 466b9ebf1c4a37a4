"""Exports: JSON lines that jq can walk, Parquet, and memory that stays flat."""

import io
import json
import sys
import tracemalloc
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import msgspec
import pytest

from jobmgrd.archive import parquet
from jobmgrd.archive.export import as_json, write_lines
from jobmgrd.archive.parquet import PyarrowMissingError, write_table
from jobmgrd.archive.reader import ArchiveReader, Filter
from jobmgrd.archive.record import ArchivedJob, archived
from jobmgrd.archive.sqlite import SqliteArchive
from jobmgrd.store.port import Streams
from tests.archive.sample import archive_path, job, row


def test_a_line_holds_json_all_the_way_down() -> None:
    """Jobspec and R are objects, eventlog and output lists; a jobspec of two lines becomes one."""
    line = as_json(job(1, queue="batch"))
    assert b"\n" not in line
    found = json.loads(line)
    assert list(found) == list(ArchivedJob.__struct_fields__)
    assert found["queue"] == "batch"
    assert found["jobspec"]["tasks"][0]["command"] == ["true"]
    assert found["R"]["execution"]["nodelist"] == ["h"]
    assert [entry["name"] for entry in found["eventlog"]][-1] == "clean"
    assert found["output"][0]["name"] == "header"


def test_a_job_that_never_ran_has_nulls_and_empty_lists() -> None:
    """No R, no output."""
    found = json.loads(as_json(archived(msgspec.structs.replace(row(1), R=None), Streams(), 1.0)))
    assert found["R"] is None
    assert found["output"] == []


def test_unusual_text_stays_on_its_line() -> None:
    """Line separators that str.splitlines knows are ordinary letters in JSON."""
    entry = json.dumps({"note": "a\u2028b\x85c"}, ensure_ascii=False) + "\n"
    found = json.loads(as_json(archived(row(1), Streams((entry * 2).encode(), b"[]\n"), 1.0)))
    assert found["input"] == [[]]
    assert [line["note"] for line in found["output"]] == ["a\u2028b\x85c"] * 2


async def test_ten_thousand_jobs_are_exported_in_flat_memory(
    archive: SqliteArchive, tmp_path: Path
) -> None:
    """Some 13 MB of jobs, of which never more than a few are in memory."""
    for first in range(0, 10_000, 1000):
        await archive.put([job(id) for id in range(first + 1, first + 1001)])

    with (tmp_path / "out").open("wb") as file, ArchiveReader(archive_path(tmp_path)) as reader:
        tracemalloc.start()
        count = write_lines(reader.all(Filter()), file)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert count == 10_000
    assert peak < 1 << 20
    with (tmp_path / "out").open("rb") as lines:
        assert all(line.startswith(b'{"id":%d,' % id) for id, line in enumerate(lines, 1))


def test_without_pyarrow_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written, and the text names the package and the other format."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    file = io.BytesIO()
    with pytest.raises(
        PyarrowMissingError, match=r"pip install 'jobmgrd\[parquet\]', or export as jsonl"
    ):
        write_table([job(1)], file)
    assert not file.getvalue()


def test_row_groups_end_at_a_number_of_jobs_or_of_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in memory at a time is bounded, even if each job has megabytes of output."""
    jobs = [job(id) for id in range(1, 11)]
    monkeypatch.setattr(parquet, "GROUP_JOBS", 4)
    assert [len(group) for group in parquet._groups(jobs)] == [4, 4, 2]
    monkeypatch.setattr(parquet, "GROUP_TEXT", 1)
    assert [len(group) for group in parquet._groups(jobs)] == [1] * 10


def test_rows_have_microseconds_and_null_for_never() -> None:
    """What a Parquet timestamp takes."""
    never_ran = msgspec.structs.replace(job(2), t_run=0.0)
    ((row,),) = parquet._groups([never_ran])
    assert (row["t_clean"], row["t_run"]) == (2_000_000, None)


def test_parquet_has_typed_columns_in_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers, UTC timestamps, null for never, texts; a group no larger than told."""
    installed = import_module("pyarrow.parquet")
    monkeypatch.setattr(parquet, "GROUP_JOBS", 4)
    file = io.BytesIO()
    assert write_table([job(id) for id in range(1, 11)], file) == 10
    table = installed.ParquetFile(file)
    assert table.num_row_groups == 3
    first = table.read().to_pylist()[0]
    assert first["id"] == 1
    assert first["t_clean"] == datetime.fromtimestamp(1.0, UTC)
    assert first["jobspec"] == job(1).jobspec
