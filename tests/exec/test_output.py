"""What tasks write: whole and in order, bounded, or in the files that the job names."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from jobmgrd.exec.local import LocalExecutor
from jobmgrd.exec.pipe import Quota
from jobmgrd.exec.port import Finished, Output, Redirected
from jobmgrd.exec.template import Names, Place, render
from protocol.jobid import encode
from protocol.resource_set import Rank
from tests.exec.conftest import MakeLocal
from tests.exec.recorder import Recorder, attempt, python

MIB = 1 << 20
BOTH = f"""
import os
data = bytes(range(256)) * {MIB // 256}
back = data[::-1]
for n in range(0, len(data), 1000):
    os.write(1, data[n:n + 1000])
    os.write(2, back[n:n + 1000])
"""


async def test_output_is_whole_and_in_order(told: Recorder, local: LocalExecutor) -> None:
    """A mebibyte of binary data on each stream arrives as it was written, in pieces <= 64 KiB."""
    local.start(python(BOTH))
    assert await told.end() == Finished(1, 0)
    data = bytes(range(256)) * (MIB // 256)
    assert told.output("stdout") == data
    assert told.output("stderr") == data[::-1]
    assert max(len(event.data) for event in told.events[1] if isinstance(event, Output)) <= 65536


async def test_output_is_told_while_the_task_runs(told: Recorder, local: LocalExecutor) -> None:
    """Output does not wait for the end of its task."""
    local.start(attempt("sh", "-c", "echo early; exec sleep 60"))
    await told.written(b"early")
    assert not any(isinstance(event, Finished) for event in told.events[1])
    local.cancel(1)
    await told.end()


async def test_output_over_the_limit_is_cut(told: Recorder, make_local: MakeLocal) -> None:
    """What is over the limit is read but not told, said once on stderr; the job goes on."""
    local = make_local(output_limit=1000)
    local.start(attempt("sh", "-c", "head -c 300000 /dev/zero; echo end; exit 3"))
    assert await told.end() == Finished(1, 3 << 8)
    assert told.output("stdout") == bytes(1000)
    assert told.output("stderr") == b"jobmgrd: output truncated at 1000 bytes\n"


async def test_notice_goes_where_a_stream_is_open(told: Recorder, make_local: MakeLocal) -> None:
    """With stderr at its end, the notice of a cut follows on the stream that was cut."""
    local = make_local(output_limit=4)
    local.start(attempt("sh", "-c", "echo cut here", stderr="err"))
    await told.end()
    assert told.output("stdout") == b"cut jobmgrd: output truncated at 4 bytes\n"


@given(st.integers(0, 100), st.lists(st.binary(max_size=40)))
def test_quota_tells_a_prefix(limit: int, chunks: list[bytes]) -> None:
    """What a quota lets through is the first `limit` bytes, with one notice if there were more."""
    quota = Quota(limit)
    taken = [quota.take(chunk) for chunk in chunks]
    whole = b"".join(chunks)
    assert b"".join(kept for kept, _ in taken) == whole[:limit]
    assert sum(notice is not None for _, notice in taken) == (len(whole) > limit)


async def test_output_goes_to_files(told: Recorder, local: LocalExecutor, tmp_path: Path) -> None:
    """Paths are relative to the cwd, and name job and task by templates; nothing is told."""
    local.start(
        attempt(
            "sh",
            "-c",
            "echo o$FLUX_TASK_RANK; echo e >&2",
            id=3,
            tasks=2,
            stdout="{{id}}-{{taskid}}.out",
            stderr=str(tmp_path / "{{jobid}}.err"),
        )
    )
    await told.end()
    name = encode(3, "f58")
    assert (tmp_path / f"{name}-0.out").read_text() == "o0\n"
    assert (tmp_path / f"{name}-1.out").read_text() == "o1\n"
    assert (tmp_path / f"{name}.err").read_text() == "e\ne\n"
    assert not any(isinstance(event, Output) for event in told.events[3])
    assert [event for event in told.events[3] if isinstance(event, Redirected)] == [
        Redirected(3, "stdout", (0,), f"{name}-0.out"),
        Redirected(3, "stderr", (0, 1), f"{tmp_path}/{name}.err"),
        Redirected(3, "stdout", (1,), f"{name}-1.out"),
    ]


async def test_stderr_follows_stdout_to_its_file(
    told: Recorder, local: LocalExecutor, tmp_path: Path
) -> None:
    """Without a path of its own stderr goes to stdout's file, in the order of writing."""
    local.start(attempt("sh", "-c", "echo 1; echo 2 >&2; echo 3", stdout="out"))
    await told.end()
    assert (tmp_path / "out").read_text() == "1\n2\n3\n"


async def test_stdout_stays_when_stderr_has_a_file(
    told: Recorder, local: LocalExecutor, tmp_path: Path
) -> None:
    """A path for stderr alone leaves stdout with the job."""
    local.start(attempt("sh", "-c", "echo 1; echo 2 >&2", stderr="err"))
    await told.end()
    assert told.output() == b"1\n"
    assert (tmp_path / "err").read_text() == "2\n"


async def test_output_file_is_truncated(
    told: Recorder, local: LocalExecutor, tmp_path: Path
) -> None:
    """A file of an earlier job is emptied first, as flux-shell does by default."""
    (tmp_path / "out").write_text("old\n")
    local.start(attempt("echo", "new", stdout="out"))
    await told.end()
    assert (tmp_path / "out").read_text() == "new\n"


def test_template_tags() -> None:
    """Each tag that flux-shell knows is replaced, others stay."""
    job = Names(id=12, name="app", size=8, nnodes=2, tmpdir="/t")
    task = Place(rank=3, local=1, nodeid=1, node=Rank(5, (0, 1, 4), (2,), "there"))
    f58 = encode(12, "f58")
    for template, expected in (
        ("{{id}} {{jobid}} {{id.dec}} {{name}} {{tmpdir}}", f"{f58} {f58} 12 app /t"),
        ("{{taskid}} {{task.id}} {{task.rank}} {{size}} {{ntasks}} {{nnodes}}", "3 3 3 8 8 2"),
        ("{{task.index}} {{task.localid}} {{node.id}} {{node.broker_rank}}", "1 1 1 5"),
        ("{{node.name}}:{{node.cores}}:{{node.gpus}}", "there:0-1,4:2"),
        ("{{node.ncores}} {{node.ngpus}}", "3 1"),
    ):
        assert render(template, job, task) == expected
    for kept in ("{{id.nope}}", "{{", "{{nope", "{{nope}}", "{id}"):
        assert render(kept, job, task) == kept
