"""What is written to tasks: in order, to those that are meant, no faster than they read."""

import signal

from jobmgrd.exec.local import LocalExecutor
from jobmgrd.exec.port import Finished, Input, Taken
from tests.exec.recorder import Recorder, attempt, descriptors

MIB = 1 << 20


async def test_input_reaches_all_tasks(told: Recorder, local: LocalExecutor) -> None:
    """Whole and in order; the end of it ends them."""
    local.start(attempt("cat", tasks=2, stdin=None))
    await told.start()
    pieces = [bytes([n]) * 100_000 for n in range(10)]
    for piece in pieces:
        local.write(1, Input(piece))
    local.write(1, Input(b"", eof=True))
    assert await told.end() == Finished(1, 0)
    assert [told.output(rank=rank) for rank in (0, 1)] == [b"".join(pieces)] * 2
    assert told.events[1].count(Taken(1)) == len(pieces) + 1


async def test_input_reaches_some_tasks(told: Recorder, local: LocalExecutor) -> None:
    """Those that are named, of which one may be closed before the others."""
    local.start(attempt("cat", tasks=3, stdin=None))
    await told.start()
    local.write(1, Input(b"", eof=True, ranks=(0,)))
    local.write(1, Input(b"b", ranks=(1, 2)))
    local.write(1, Input(b"c", eof=True, ranks=(2,)))
    local.write(1, Input(b"", eof=True))
    assert await told.end() == Finished(1, 0)
    assert [told.output(rank=rank) for rank in range(3)] == [b"", b"b", b"bc"]


async def test_input_waits_for_a_task_that_does_not_read(
    told: Recorder, local: LocalExecutor
) -> None:
    """It is not taken before its pipe has room, and is dropped with the task."""
    local.start(attempt("sleep", "60", stdin=None))
    await told.start()
    local.write(1, Input(bytes(1000)))
    await told.until(lambda event: event == Taken(1))
    local.write(1, Input(bytes(MIB)))
    for _ in range(100):
        await told.pause()
    assert told.events[1].count(Taken(1)) == 1
    local.cancel(1)
    assert await told.end() == Finished(1, signal.SIGTERM)


async def test_input_that_nobody_reads_is_dropped(told: Recorder, local: LocalExecutor) -> None:
    """A task that has closed its stdin does not hold a client up."""
    before = descriptors()
    local.start(attempt("sh", "-c", "exec <&-; echo closed; exec sleep 60", stdin=None))
    await told.written(b"closed")
    for _ in range(3):
        local.write(1, Input(bytes(MIB)))
        await told.until(lambda event: event == Taken(1))
    local.cancel(1)
    await told.end()
    assert descriptors() == before


async def test_input_may_be_a_file(told: Recorder, local: LocalExecutor) -> None:
    """Each task reads it from the beginning; what is written goes nowhere."""
    local.start(attempt("head", "-n1", tasks=2, stdin="{{tmpdir}}/../../in"))
    assert "cannot open input file" in str(await told.end())
    local.start(attempt("head", "-c4", tasks=2, stdin="/proc/{{size}}/../version", id=2))
    local.write(2, Input(b"x"))
    assert await told.end() == Finished(2, 0)
    assert [told.output(rank=rank, id_=2) for rank in (0, 1)] == [b"Linu"] * 2
