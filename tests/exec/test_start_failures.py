"""Attempts that cannot start: nothing of them is left running, and the note helps."""

import gc
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from jobmgrd.exec.inheritance import Inheritance
from jobmgrd.exec.local import LocalExecutor
from jobmgrd.exec.port import Attempt, ExecEvent, Failed, Finished
from jobmgrd.exec.process import StartError, spawn
from tests.exec.recorder import Recorder, attempt, descriptors, has_children

TEXT = "/etc/passwd"


@pytest.mark.parametrize(
    ("made", "note"),
    [
        (attempt("nosuch"), "command not found: nosuch"),
        (attempt("/no/such"), "command not found: /no/such"),
        (attempt("true", cwd="/no/such"), "cwd does not exist: /no/such"),
        (attempt("true", cwd=TEXT), f"cannot enter cwd: {TEXT}: Not a directory"),
        (attempt(TEXT), f"permission denied: {TEXT}"),
        (attempt("true", "x" * 200_000), "arguments and environment are too long: true"),
        (attempt("true", "\0"), "cannot run 'true': embedded null byte"),
        (attempt("y" * 300), f"cannot run {'y' * 300}: File name too long"),
        (
            attempt("true", stdout="/no/such/file"),
            "cannot open output file /no/such/file: No such file or directory",
        ),
    ],
    ids=str,
)
async def test_note_names_the_fault(
    told: Recorder, local: LocalExecutor, made: Attempt, note: str
) -> None:
    """The note of a failed start names the command, the directory or the file at fault."""
    local.start(made)
    await told.end()
    assert told.events[1] == [Failed(1, note)]


@pytest.mark.parametrize(
    ("text", "mode", "note"),
    [
        ("exit 0\n", 0o755, "not a program, nor a script with a #! line: ./job"),
        ("#!/bin/sh\n", 0o644, "permission denied: ./job"),
        ("#!/no/sh\n", 0o755, "interpreter not found: ./job names one in its first line"),
    ],
)
def test_note_names_the_script(tmp_path: Path, text: str, mode: int, note: str) -> None:
    """A script that the kernel refuses is named as the user wrote it."""
    script = tmp_path / "job"
    script.write_text(text)
    script.chmod(mode)
    with pytest.raises(StartError) as raised:
        spawn(
            ["./job"],
            inheritance=Inheritance(str(tmp_path), 0o022, (), ()),
            environment={},
            streams=[None] * 3,
        )
    assert str(raised.value) == note


@contextmanager
def descriptors_free(count: int) -> Iterator[None]:
    """Leave this process that many descriptors to open, and take those between others."""
    gc.collect()  # so that nothing is closed meanwhile
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(descriptors()) + 16, hard))
    taken: list[int] = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.dup(0))
        for _ in range(count):
            os.close(taken.pop())
        yield
    finally:
        for each in taken:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_no_descriptors_left(told: Recorder, local: LocalExecutor) -> None:
    """Out of descriptors at any step of a start, the attempt fails, leaks none, the next runs."""
    failed: list[ExecEvent] = []
    for count in range(32):
        before = len(descriptors())
        with descriptors_free(count):
            local.start(attempt())
            event = await told.end()
        if isinstance(event, Finished):
            break
        failed.append(event)
        assert len(descriptors()) == before
    assert event == Finished(1, 0)
    assert set(map(str, failed)) == {
        str(Failed(1, "cannot open input file /dev/null: Too many open files")),
        str(Failed(1, "cannot run true: Too many open files")),
    }


async def test_tasks_of_a_failed_start_are_killed(
    told: Recorder, local: LocalExecutor, tmp_path: Path
) -> None:
    """If one task cannot start the others are killed, and the attempt fails once."""
    (tmp_path / "1.out").mkdir()
    script = "trap '' PIPE; echo x; exec sleep 60"
    local.start(attempt("sh", "-c", script, tasks=3, stderr="{{taskid}}.out"))
    note = f"cannot open output file {tmp_path}/1.out: Is a directory"
    assert await told.end() == Failed(1, note)
    assert told.events[1] == [Failed(1, note)]
    assert not has_children()


async def test_fifo_without_a_reader_fails(
    told: Recorder, local: LocalExecutor, tmp_path: Path
) -> None:
    """An output path that is a FIFO nobody reads fails at once instead of holding the daemon."""
    os.mkfifo(tmp_path / "fifo")
    local.start(attempt(stdout="fifo"))
    note = f"cannot open output file {tmp_path}/fifo: No such device or address"
    assert await told.end() == Failed(1, note)
