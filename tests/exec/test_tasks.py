"""What each task has of its own: node, CPUs, GPUs, limits; and the job's temporary directory."""

import os
import resource
import signal
from pathlib import Path
from typing import Any

import pytest

from jobmgrd.exec.binding import Binder, share
from jobmgrd.exec.inheritance import NOFILE
from jobmgrd.exec.local import LocalExecutor
from jobmgrd.exec.port import Failed, Finished, Raised, Started
from protocol.jobspec import File
from protocol.resource_set import Rank
from protocol.shell_options import Affinity, Warn
from protocol.taskmap import Block
from tests.exec.conftest import MakeLocal
from tests.exec.recorder import Recorder, attempt, has_children

NODES = (Rank(0, (0, 1), (0, 1), "a"), Rank(1, (0, 1), (2, 3), "b"))
TWO_NODES: dict[str, Any] = {"nodes": NODES, "taskmap": (Block(0, 2, 2, 1),)}
CPUS = sorted(os.sched_getaffinity(0))
ALLOWED = r"sed -n 's/Cpus_allowed_list:\t//p' /proc/self/status"


async def said(told: Recorder, tasks: int = 4) -> list[str]:
    """What each task wrote, once all have ended well."""
    assert await told.end() == Finished(1, 0)
    return [told.output(rank=rank).decode().strip() for rank in range(tasks)]


async def test_tasks_know_their_node(told: Recorder, local: LocalExecutor) -> None:
    """Local ids begin at 0 on each node; names and cores are the node's own."""
    script = (
        "echo $FLUX_JOB_NNODES/$FLUX_JOB_SIZE $FLUX_TASK_RANK $FLUX_TASK_LOCAL_ID"
        " $JOBMGRD_NODE_ID $JOBMGRD_NODE $CUDA_VISIBLE_DEVICES {{node.name}}"
    )
    local.start(attempt("sh", "-c", script, **TWO_NODES))
    assert await said(told) == [
        "2/4 0 0 0 a 0,1 a",
        "2/4 1 1 0 a 0,1 a",
        "2/4 2 0 1 b 2,3 b",
        "2/4 3 1 1 b 2,3 b",
    ]


@pytest.mark.parametrize(
    ("option", "devices"),
    [
        (Affinity("per-task"), ["0", "1", "2", "3"]),
        (Affinity("map", ((7,), (8, 9))), ["7", "8,9", "7", "8,9"]),
        (Affinity("off"), ["", "", "", ""]),
    ],
)
async def test_gpus_go_to_tasks(
    told: Recorder, local: LocalExecutor, option: Affinity, devices: list[str]
) -> None:
    """An equal share of the node's, those of a map, or none of our business."""
    local.start(attempt("sh", "-c", "echo $CUDA_VISIBLE_DEVICES", gpu_affinity=option, **TWO_NODES))
    assert await said(told) == devices


async def test_a_task_is_bound_to_its_cores(told: Recorder, make_local: MakeLocal) -> None:
    """To those of the job, if they are cores of this host and fewer than all of them."""
    local = make_local(bind=True)
    local.start(attempt("sh", "-c", ALLOWED))
    assert await said(told, 1) == [str(CPUS[0])]
    assert sorted(os.sched_getaffinity(0)) == CPUS


async def test_a_map_binds_even_if_cores_are_pretended(
    told: Recorder, local: LocalExecutor
) -> None:
    """It names CPUs of this host."""
    option = Affinity("map", ((CPUS[-1],),))
    local.start(attempt("sh", "-c", ALLOWED, cpu_affinity=option))
    assert await said(told, 1) == [str(CPUS[-1])]


def test_cores_are_shared_out() -> None:
    """In runs of equal length as far as it goes; more tasks than cores share cores."""
    assert [share((0, 1, 2, 3, 4), n, 2) for n in range(2)] == [(0, 1), (2, 3, 4)]
    assert [share((4, 5), n, 4) for n in range(4)] == [(4,), (4,), (5,), (5,)]


def test_nothing_is_bound_to_cores_that_are_not_there() -> None:
    """Nor where binding is off, or cores are pretended."""
    on, per_task = Affinity(), Affinity("per-task")
    assert Binder(bind=True).cpus(on, (0, 10_000), 0, 1) is None
    assert Binder(bind=True).cpus(Affinity("off"), (0,), 0, 1) is None
    assert Binder(bind=True).cpus(on, range(len(CPUS)), 0, 1) is None
    assert Binder(bind=True).cpus(per_task, (0,), 0, 1) in (frozenset({CPUS[0]}), None)
    assert Binder(bind=False).cpus(per_task, (0,), 0, 1) is None


async def test_limits_are_the_jobs(told: Recorder, local: LocalExecutor) -> None:
    """Those it asks for, open files as the system has it, and the executor keeps its own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        local.start(attempt("sh", "-c", "ulimit -Sn; ulimit -Sc; ulimit -Ss; ulimit -Hn"))
        defaults = (await said(told, 1))[0].split()
        assert (defaults[0], int(defaults[3])) == ("1024", hard)
        rlimits = (("core", 0), ("nofile", 77), ("stack", 4 << 20), ("cpu", 1000), ("as", 1 << 32))
        script = "ulimit -Sc; ulimit -Sn; ulimit -Ss; sleep 0.05; ulimit -St; ulimit -Sv"
        local.start(attempt("sh", "-c", script, rlimits=rlimits, id=2))
        await told.end()
        assert told.output(id_=2).split() == [b"0", b"77", b"4096", b"1000", b"4194304"]
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_many_tasks_run_at_once(told: Recorder, local: LocalExecutor) -> None:
    """Although their pipes are more than a task's own limit of open files lets it have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4 * NOFILE:
        pytest.skip(f"this system allows {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        local.start(attempt("sleep", "60", tasks=NOFILE // 2))
        first = await told.until(lambda event: isinstance(event, Started | Failed))
        assert first == Started(1)
        await local.terminate()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_limit_beyond_the_hard_one_is_that(told: Recorder, local: LocalExecutor) -> None:
    """As flux-shell does it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    local.start(attempt("sh", "-c", "ulimit -Sn", rlimits=(("nofile", hard + 1),)))
    assert await said(told, 1) == [str(hard)]


async def test_the_umask_is_the_jobs(told: Recorder, local: LocalExecutor, tmp_path: Path) -> None:
    """For what it makes and for its output files; the executor keeps its own."""
    before = os.umask(0o077)
    try:
        local.start(attempt("sh", "-c", "umask; : > made", stdout="out"))
        assert await told.end() == Finished(1, 0)
        local.start(attempt("sh", "-c", "umask", umask=0o007, id=2))
        await told.end()
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)
    assert (tmp_path / "out").read_text() == "0022\n"
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("out", "made")} == {0o644}
    assert told.output(id_=2) == b"0007\n"


async def test_a_job_has_a_temporary_directory(
    told: Recorder, local: LocalExecutor, tmp_path: Path
) -> None:
    """If it speaks of it, with its files; it is gone with the job, whatever is in it."""
    files = {"run": File(0o700, b"#!/bin/sh\necho $1 $FLUX_JOB_TMPDIR\nmkdir -p $2/a/b\n")}
    local.start(attempt("{{tmpdir}}/run", "x", "{{tmpdir}}", files=files))
    words = (await said(told, 1))[0].split()
    assert words[0] == "x"
    parent = tmp_path / "jobtmp"
    assert Path(words[1]).parent == parent
    local.start(attempt("sh", "-c", "test -d $FLUX_JOB_TMPDIR", id=2))
    assert await told.end() == Finished(2, 0)
    while has_children():  # what was in it is removed by another process
        await told.pause()
    assert not any(parent.iterdir())


async def test_what_cannot_be_placed_there_is_named(
    told: Recorder, local: LocalExecutor, tmp_path: Path
) -> None:
    """A file where the directory should be."""
    (tmp_path / "jobtmp").write_text("")
    local.start(attempt("ls", "{{tmpdir}}"))
    failed = await told.end()
    assert isinstance(failed, Failed)
    assert failed.note.startswith(f"cannot make {tmp_path}/jobtmp")


async def test_labels_are_written_to_files(
    told: Recorder, local: LocalExecutor, tmp_path: Path
) -> None:
    """Each line behind the rank of its task, however it was written; the last one ends."""
    script = "printf $FLUX_TASK_RANK; sleep 0.02; printf 'a\\nb'"
    local.start(attempt("sh", "-c", script, tasks=2, stdout="out", label_stdout=True))
    assert await told.end() == Finished(1, 0)
    lines = sorted((tmp_path / "out").read_text().splitlines())
    assert lines == ["0: 0a", "0: b", "1: 1a", "1: b"]


async def test_files_may_be_appended_to(
    told: Recorder, local: LocalExecutor, tmp_path: Path
) -> None:
    """output.mode=append."""
    (tmp_path / "out").write_text("old\n")
    local.start(attempt("echo", "new", stdout="out", append=True))
    await told.end()
    assert (tmp_path / "out").read_text() == "old\nnew\n"


async def test_a_full_disk_is_said_where_labels_are_written(
    told: Recorder, local: LocalExecutor
) -> None:
    """The job goes on, and its stderr says what was lost; a task that writes by itself is told."""
    script = "echo 1; echo 2; exit 3"
    options: dict[str, Any] = {"label_stdout": True, "stderr": None}
    local.start(attempt("sh", "-c", script, stdout="/dev/full", **options))
    assert await told.end() == Finished(1, 3 << 8)
    notice = b"jobmgrd: cannot write /dev/full: No space left on device; what follows is lost\n"
    assert told.output("stderr") == notice
    local.start(attempt("sh", "-c", "echo 1 || exit 4", stdout="/dev/full", id=2))
    assert await told.end() == Finished(2, 4 << 8)


async def test_a_task_that_ended_dooms_the_others(told: Recorder, local: LocalExecutor) -> None:
    """After exit-timeout, with a note that tells which one and how."""
    script = "[ $FLUX_TASK_RANK = 1 ] && exit 5; exec sleep 60"
    local.start(attempt("sh", "-c", script, tasks=3, exit_timeout=0.05))
    assert await told.end() == Finished(1, 5 << 8)
    note = "sh: task rank 1 on host here exited (Exit 5) and exit-timeout=50ms has expired"
    assert Raised(1, note) in told.events[1]


async def test_an_error_of_one_task_may_end_all(told: Recorder, local: LocalExecutor) -> None:
    """exit-on-error; a task that ends well changes nothing."""
    script = "[ $FLUX_TASK_RANK = 0 ] && exit 0; [ $FLUX_TASK_RANK = 1 ] && kill -9 $$; sleep 60"
    local.start(attempt("sh", "-c", script, tasks=3, exit_on_error=True))
    assert await told.end() == Finished(1, signal.SIGTERM)
    note = "sh: task rank 1 on host here failed (Killed) and exit-on-error is set"
    assert Raised(1, note) in told.events[1]


async def test_tasks_are_warned_of_the_time_limit(told: Recorder, local: LocalExecutor) -> None:
    """The option signal: so many seconds before it."""
    warn = Warn(timeleft=99.9, signum=signal.SIGUSR2)
    local.start(attempt("sleep", "60", warn=warn, duration=100.0))
    assert await told.end() == Finished(1, signal.SIGUSR2)


async def test_what_left_its_group_is_killed_with_a_cancelled_job(
    told: Recorder, make_local: MakeLocal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that forks away into a session of its own, ignoring SIGTERM, is found and killed."""
    monkeypatch.setattr("jobmgrd.exec.running.PIPE_GRACE", 60.0)  # its pipe is closed by its end
    local = make_local(kill_timeout=0.05)
    os.mkfifo(tmp_path / "alive")
    script = "setsid sh -c 'exec 3<>alive; trap \"\" TERM; echo ready; exec sleep 60' & wait"
    local.start(attempt("sh", "-c", script))
    await told.written(b"ready")
    with (tmp_path / "alive").open("rb", buffering=0) as alive:
        local.cancel(1)
        assert await told.end() == Finished(1, signal.SIGTERM)
        await local.terminate()
        assert alive.read() == b""  # its last writer has gone
