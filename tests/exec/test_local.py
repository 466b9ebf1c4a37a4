"""Real processes: how they start, what they find, and how their end is told."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from jobmgrd.exec.local import LocalExecutor
from jobmgrd.exec.port import Failed, Finished, Output, Started
from protocol.jobid import encode
from protocol.resource_set import Rank
from tests.exec.conftest import MakeLocal
from tests.exec.recorder import Recorder, attempt, descriptors, has_children, python

TERM_IGNORED = "trap '' TERM; echo ready; while :; do sleep 1; done"
USR1_AWAITED = """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
child = os.fork()
os.write(1, b"ready")
signal.sigwait([signal.SIGUSR1])
os.write(1, b"got")
if child:
    os.wait()
os._exit(3)
"""


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 0", 0), ("exit 1", 256), ("exit 255", 255 << 8), ("kill -9 $$", 9), ("kill $$", 15)],
)
async def test_status_is_the_wait_status(
    told: Recorder, local: LocalExecutor, script: str, status: int
) -> None:
    """An attempt finishes with the raw wait status of its task."""
    local.start(attempt("sh", "-c", script))
    assert await told.end() == Finished(1, status)
    assert told.events[1][0] == Started(1)


async def test_end_comes_last_after_both_eofs(told: Recorder, local: LocalExecutor) -> None:
    """Each stream ends with one eof, and nothing follows the end of the attempt."""
    local.start(attempt())
    await told.end()
    assert told.events[1][0] == Started(1)
    assert {e.stream for e in told.events[1][1:-1] if isinstance(e, Output) and e.eof} == {
        "stdout",
        "stderr",
    }
    assert len(told.events[1]) == 4


async def test_start_never_notifies(told: Recorder, local: LocalExecutor) -> None:
    """Nothing is told from inside a call of start or cancel."""
    local.start(attempt())
    local.cancel(1)
    assert not told.events
    await told.end()


async def test_no_ignored_signal_is_inherited(told: Recorder, local: LocalExecutor) -> None:
    """As a daemon that a script starts in the background ignores SIGQUIT, and Python SIGPIPE."""
    before = signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    try:
        local.start(attempt("grep", "SigIgn", "/proc/self/status"))
        await told.end()
    finally:
        signal.signal(signal.SIGQUIT, before)
    ignored = int(told.output().split()[1], 16)
    assert not ignored & (1 << 31) - 1  # of the others, the C library ignores its own


async def test_environment_is_the_jobs(
    told: Recorder, local: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task finds the job's variables and Flux's, and nothing of the daemon's own."""
    monkeypatch.setenv("DAEMON_SECRET", "x")
    environment = {"PATH": "/usr/bin:/bin", "A": "b c"}
    local.start(
        attempt("env", id=77, environment=environment, nodes=(Rank(3, (2, 3), (0, 1), "n3"),))
    )
    await told.end()
    found = dict(line.split("=", 1) for line in told.output(id_=77).decode().splitlines())
    assert found == {
        **environment,
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": "0,1",
        "FLUX_JOB_ID": encode(77, "f58"),
        "FLUX_JOB_NNODES": "1",
        "FLUX_JOB_SIZE": "1",
        "FLUX_TASK_LOCAL_ID": "0",
        "FLUX_TASK_RANK": "0",
        "JOBMGRD_CORES": "2,3",
        "JOBMGRD_NODE": "n3",
        "JOBMGRD_NODE_ID": "0",
        "JOBMGRD_URI": str(tmp_path),
    }


async def test_job_without_gpus_sees_none(told: Recorder, local: LocalExecutor) -> None:
    """A job that was given no GPU is pointed at an invalid one, not at those of others."""
    local.start(attempt("printenv", "CUDA_VISIBLE_DEVICES"))
    await told.end()
    assert told.output() == b"-1\n"


async def test_cwd_is_the_jobs_or_the_default(
    told: Recorder, local: LocalExecutor, tmp_path: Path
) -> None:
    """A task runs in the job's directory, or in the executor's if the job names none."""
    local.start(attempt("pwd", id=1))
    local.start(attempt("pwd", id=2, cwd="/"))
    await told.end()
    await told.end()
    assert told.output(id_=1) == f"{tmp_path}\n".encode()
    assert told.output(id_=2) == b"/\n"


async def test_stdin_may_be_empty(told: Recorder, local: LocalExecutor) -> None:
    """A task that reads its stdin finds the end of it, not the daemon's terminal."""
    local.start(attempt("cat"))
    assert await told.end() == Finished(1, 0)


async def test_tags_in_arguments_are_replaced(told: Recorder, local: LocalExecutor) -> None:
    """Command arguments may name the job and the task, as flux-shell allows."""
    local.start(attempt("echo", "{{id.dec}}-{{taskid}}-{{nope}}", id=5))
    await told.end()
    assert told.output(id_=5) == b"5-0-{{nope}}\n"


async def test_tasks_have_ranks(told: Recorder, local: LocalExecutor) -> None:
    """Each of several tasks knows its rank and the number of tasks; its output carries both."""
    local.start(attempt("sh", "-c", "echo $FLUX_TASK_RANK/$FLUX_JOB_SIZE", tasks=4))
    await told.end()
    assert [told.output(rank=rank) for rank in range(4)] == [b"0/4\n", b"1/4\n", b"2/4\n", b"3/4\n"]
    assert told.events[1].count(Started(1)) == 1


async def test_status_is_the_largest_of_the_tasks(told: Recorder, local: LocalExecutor) -> None:
    """An attempt of several tasks finishes once, with the largest wait status."""
    local.start(attempt("sh", "-c", "exit $((3 - FLUX_TASK_RANK))", tasks=3))
    assert await told.end() == Finished(1, 3 << 8)


async def test_many_attempts_at_once(told: Recorder, local: LocalExecutor) -> None:
    """Two hundred attempts side by side all end with their own output."""
    for id_ in range(200):
        local.start(attempt("echo", str(id_), id=id_))
    for _ in range(200):
        assert isinstance(await told.end(), Finished)
    assert [told.output(id_=id_) for id_ in range(200)] == [b"%d\n" % n for n in range(200)]


async def test_spawning_lets_others_in(
    told: Recorder, local: LocalExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long queue of processes is spawned in slices, with turns of the event loop in between."""
    monkeypatch.setattr("jobmgrd.exec.local.SPAWN_SLICE", 0.0)
    for id_ in range(5):
        local.start(attempt(id=id_, tasks=2))
    seen = []
    while len(told.events) < 5:
        seen.append(len(told.events))
        await asyncio.sleep(0)
    assert set(seen) == {0, 1, 2, 3, 4}
    for _ in range(5):
        await told.end()


async def test_signal_reaches_every_process(told: Recorder, local: LocalExecutor) -> None:
    """A signal goes to all tasks and to what they have started."""
    local.start(python(USR1_AWAITED, tasks=2))
    await told.until(lambda _: all(told.output(rank=rank) for rank in (0, 1)))
    local.signal(1, signal.SIGUSR1)
    assert await told.end() == Finished(1, 3 << 8)
    assert [told.output(rank=rank).count(b"got") for rank in (0, 1)] == [2, 2]


async def test_cancel_terminates(told: Recorder, local: LocalExecutor) -> None:
    """Cancelling sends SIGTERM, which ends a task that takes no care of it."""
    local.start(attempt("sleep", "60"))
    await told.start()
    local.cancel(1)
    local.cancel(1)
    assert await told.end() == Finished(1, signal.SIGTERM)


async def test_cancelled_task_may_clean_up(told: Recorder, local: LocalExecutor) -> None:
    """A task has until the kill timeout to end in its own way, with its own status."""
    local.start(
        attempt(
            "sh", "-c", "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.05; done"
        )
    )
    await told.written(b"ready")
    local.cancel(1)
    assert await told.end() == Finished(1, 7 << 8)
    assert told.output() == b"ready\nbye\n"


async def test_cancel_kills_after_the_timeout(told: Recorder, make_local: MakeLocal) -> None:
    """A task that ignores SIGTERM dies by SIGKILL."""
    local = make_local(kill_timeout=0.05)
    local.start(attempt("sh", "-c", TERM_IGNORED))
    await told.written(b"ready")
    local.cancel(1)
    assert await told.end() == Finished(1, signal.SIGKILL)


async def test_cancel_before_the_spawn(
    told: Recorder, local: LocalExecutor, tmp_path: Path
) -> None:
    """An attempt cancelled while it waits for its turn never runs."""
    local.start(attempt("touch", "ran"))
    local.cancel(1)
    assert await told.end() == Finished(1, signal.SIGTERM)
    assert told.events[1] == [Finished(1, signal.SIGTERM)]
    assert not (tmp_path / "ran").exists()


async def test_unknown_job_is_no_error(local: LocalExecutor) -> None:
    """Signals for jobs that do not run go nowhere."""
    local.signal(9, signal.SIGTERM)
    local.cancel(9)


async def test_terminate_ends_all(told: Recorder, make_local: MakeLocal) -> None:
    """Terminating ends attempts that run, that ignore SIGTERM and that wait; later ones fail."""
    local = make_local(kill_timeout=0.05)
    local.start(attempt("sh", "-c", TERM_IGNORED, id=1))
    await told.written(b"ready")
    local.start(attempt(id=2))
    await local.terminate()
    await local.terminate()
    assert told.events[1][-1] == Finished(1, signal.SIGKILL)
    assert told.events[2] == [Finished(2, signal.SIGTERM)]
    local.start(attempt(id=3))
    assert await told.until(lambda event: event.id == 3) == Failed(3, "executor is closed")


async def test_nothing_leaks(told: Recorder, local: LocalExecutor, tmp_path: Path) -> None:
    """Good and bad attempts alike leave neither descriptors nor zombies behind."""
    before = descriptors()
    local.start(attempt("echo", "x", id=1, tasks=3))
    local.start(attempt("nosuch", id=2, tasks=2))
    local.start(attempt("echo", "x", id=3, stdout="out", stderr="err"))
    local.start(attempt("echo", "x", id=4, stdout="out", stderr=f"{tmp_path}/no/such"))
    local.start(attempt("sleep", "60", id=5))
    for _ in range(4):
        await told.end()
    local.cancel(5)
    await told.end()
    assert descriptors() == before
    assert not has_children()


async def test_pipe_kept_open_does_not_hold_the_job(
    told: Recorder, local: LocalExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process left behind with the task's stdout delays the end for a bounded time only."""
    monkeypatch.setattr("jobmgrd.exec.running.PIPE_GRACE", 0.05)
    local.start(attempt("sh", "-c", "sleep 60 & echo $!"))
    assert await told.end() == Finished(1, 0)
    left = int(told.output())
    os.kill(left, signal.SIGKILL)  # it still ran


async def test_cancel_waits_for_what_tasks_left_behind(
    told: Recorder, make_local: MakeLocal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a cancelled task leaves with its output open has until the kill timeout, no longer."""
    monkeypatch.setattr("jobmgrd.exec.running.PIPE_GRACE", 60.0)
    local = make_local(kill_timeout=0.05)
    local.start(attempt("sh", "-c", f"({TERM_IGNORED}) & wait"))
    await told.written(b"ready")
    local.cancel(1)
    assert await told.end() == Finished(1, signal.SIGTERM)


async def test_what_a_cancelled_task_left_behind_may_clean_up(
    told: Recorder, local: LocalExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process of a cancelled job that outlives its task still gets its last words told."""
    monkeypatch.setattr("jobmgrd.exec.running.PIPE_GRACE", 0.01)
    last_words = "trap 'sleep 0.1; echo bye; exit' TERM; echo ready; while :; do sleep 0.02; done"
    local.start(attempt("sh", "-c", f"({last_words}) & wait"))
    await told.written(b"ready")
    local.cancel(1)
    assert await told.end() == Finished(1, signal.SIGTERM)
    assert told.output() == b"ready\nbye\n"


async def test_cancel_kills_what_tasks_left_behind(
    told: Recorder, local: LocalExecutor, tmp_path: Path
) -> None:
    """What a cancelled task leaves in its group, its output closed, is killed with the end."""
    os.mkfifo(tmp_path / "alive")
    gone = asyncio.create_task(asyncio.to_thread((tmp_path / "alive").read_bytes))
    script = "(exec 3>alive; trap '' TERM; echo ready; exec >&- 2>&-; while :; do sleep 1; done) &"
    local.start(attempt("sh", "-c", f"{script} wait"))
    await told.written(b"ready")
    local.cancel(1)
    assert await told.end() == Finished(1, signal.SIGTERM)
    async with asyncio.timeout(20):
        assert await gone == b""
