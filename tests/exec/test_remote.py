"""Attempts under a supervisor: told once to whoever comes, never lost while it lives."""

import asyncio
import signal

import msgspec
import pytest

from jobmgrd.exec import wire
from jobmgrd.exec.port import ExecError, Failed, Fate, Finished, Started
from jobmgrd.exec.remote import RemoteExecutor
from tests.exec.recorder import Recorder, attempt
from tests.exec.supervision import Bench


async def opened(bench: Bench, told: Recorder, position: bytes = b"") -> RemoteExecutor:
    """The executor of a daemon that resumes nothing, but is told."""
    executor = bench.daemon(told)
    await executor.open(position)
    executor.begin()
    return executor


async def killed(executor: RemoteExecutor) -> bytes:
    """End an executor as if its daemon was killed; the position that it had come to."""
    position = executor.position
    await executor.close()
    return position


async def test_attempts_run(told: Recorder, bench: Bench) -> None:
    """They start, write, can be signalled and end as under a local executor."""
    remote = await opened(bench, told)
    remote.start(attempt("sh", "-c", "echo x; exit 3"))
    assert await told.end() == Finished(1, 3 << 8)
    assert told.events[1][0] == Started(1)
    assert told.output() == b"x\n"
    for id_, end in ((2, remote.cancel), (3, lambda id_: remote.signal(id_, signal.SIGKILL))):
        remote.start(attempt("sleep", "60", id=id_))
        await told.start()
        end(id_)
    assert {await told.end(), await told.end()} == {Finished(2, 15), Finished(3, 9)}


async def test_nothing_is_told_before_begin(told: Recorder, bench: Bench) -> None:
    """A daemon that is still taking its jobs back is not spoken to."""
    remote = bench.daemon(told)
    await remote.open(b"")
    remote.start(attempt("true"))
    await bench.until(lambda supervisor: bool(supervisor._backlog.ended))
    assert not told.events
    remote.begin()
    assert await told.end() == Finished(1, 0)


async def test_a_running_attempt_is_resumed(told: Recorder, bench: Bench) -> None:
    """The next daemon hears nothing again that was durable, and everything that was not."""
    remote = await opened(bench, told)
    remote.start(
        attempt("sh", "-c", "trap 'echo bye; exit 4' TERM; echo hi; while :; do sleep 0.02; done")
    )
    await told.written(b"hi")
    position = await killed(remote)
    later = Recorder()
    again = bench.daemon(later)
    await again.open(position)
    assert again.resume(attempt(), 1.0) is Fate.RUNNING
    again.begin()
    again.cancel(1)
    assert await later.end() == Finished(1, 4 << 8)
    assert later.output() == b"bye\n"
    assert Started(1) not in later.events[1]


async def test_an_end_that_is_not_durable_is_told_again(told: Recorder, bench: Bench) -> None:
    """To each daemon, until one acknowledges it; then the attempt is unknown."""
    remote = await opened(bench, told)
    before = remote.position
    remote.start(attempt("echo", "x"))
    await told.end()
    await killed(remote)
    for _ in range(2):
        later = Recorder()
        again = bench.daemon(later)
        await again.open(before)
        assert again.resume(attempt(), None) is Fate.ENDED
        again.begin()
        await later.end()
        assert later.events == told.events
        again.acknowledge(before)
        position = await killed(again)
    last = bench.daemon(told)
    await last.open(position)
    assert last.resume(attempt(), None) is Fate.NEVER_STARTED


async def test_an_unknown_attempt_was_never_started_or_is_lost(
    told: Recorder, bench: Bench
) -> None:
    """It depends on whether this supervisor would have been given it."""
    remote = await opened(bench, told)
    position = await killed(remote)
    for where, fate in ((position, Fate.NEVER_STARTED), (b"other 9", Fate.LOST), (b"", Fate.LOST)):
        again = bench.daemon(told)
        await again.open(where)
        assert again.resume(attempt(), None) is fate
        await again.close()


async def test_attempts_that_nobody_resumes_are_ended(told: Recorder, bench: Bench) -> None:
    """Their daemon's records are gone: they do not run for ever, and are not told of."""
    remote = await opened(bench, told)
    remote.start(attempt("sleep", "60"))
    await told.start()
    await killed(remote)
    later = Recorder()
    again = await opened(bench, later)
    await bench.until(lambda supervisor: not supervisor._running)
    again.start(attempt("true", id=2))
    await later.end()
    assert list(later.events) == [2]


async def test_a_lost_supervisor_fails_its_attempts(told: Recorder, bench: Bench) -> None:
    """With a note that says so; the next attempt is given to the next supervisor."""
    remote = await opened(bench, told)
    remote.start(attempt("sleep", "60"))
    await told.start()
    first = remote.position
    await bench.lose()
    assert await told.end() == Failed(
        1, "lost contact with the job's processes: their supervisor ended"
    )
    await bench.supervise()
    remote.start(attempt("true", id=2))
    assert await told.end() == Finished(2, 0)
    assert remote.position.split()[0] != first.split()[0]


async def test_a_supervisor_of_another_version_is_left_alone(
    told: Recorder, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its jobs go on; the daemon does not start, and says what to do."""
    remote = await opened(bench, told)
    remote.start(attempt("sleep", "60"))
    await told.start()
    newer = bench.daemon(told)
    hello = msgspec.structs.replace(newer._hello(), version=wire.VERSION + 1)
    monkeypatch.setattr(newer, "_hello", lambda: hello)
    with pytest.raises(ExecError, match="another version"):
        await newer.open(b"")
    remote.cancel(1)
    assert await told.end() == Finished(1, 15)


async def test_an_exception_in_the_daemon_costs_one_event(told: Recorder, bench: Bench) -> None:
    """It is reported, and the connection that all jobs depend on stays."""
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: reported.append(what))

    def notify(event: object) -> None:
        if event == Started(1):
            raise RuntimeError("a bug")
        told(event)  # type: ignore[arg-type]

    remote = await opened(bench, notify)  # type: ignore[arg-type]
    remote.start(attempt("true"))
    assert await told.end() == Finished(1, 0)
    assert [str(what["exception"]) for what in reported] == ["a bug"]


async def test_output_waits_in_its_pipe_when_nobody_acknowledges(
    told: Recorder, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job blocks, nothing is lost, others go on; what is acknowledged makes room again."""
    limit, size = 200_000, 2_000_000
    monkeypatch.setattr("jobmgrd.exec.supervisor.BACKLOG_LIMIT", limit)
    remote = await opened(bench, told)
    remote.start(attempt("head", "-c", str(size), "/dev/zero"))
    await told.until(lambda _: len(told.output()) > limit)
    remote.start(attempt("echo", "x", id=2))
    assert await told.end() == Finished(2, 0)
    assert len(told.output()) < 2 * limit
    while len(told.output()) < size:
        remote.acknowledge(remote.position)
        seen = len(told.output())
        await told.until(lambda _, seen=seen: len(told.output()) > seen)  # type: ignore[misc]
    remote.acknowledge(remote.position)
    assert await told.end() == Finished(1, 0)
    assert told.output() == bytes(size)


async def test_terminate_ends_all(told: Recorder, bench: Bench) -> None:
    """Their ends are told, later attempts fail, and the supervisor ends with the connection."""
    remote = await opened(bench, told)
    remote.start(attempt("sleep", "60"))
    await told.start()
    await remote.terminate()
    assert told.events[1][-1] == Finished(1, 15)
    remote.start(attempt(id=2))
    assert await told.until(lambda event: event.id == 2) == Failed(2, "executor is closed")
    remote.acknowledge(remote.position)
    await remote.close()
    async with asyncio.timeout(20):
        await bench.supervisor.done.wait()
