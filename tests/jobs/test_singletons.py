"""Singletons: one after the other, and none for ever."""

from hypothesis import given
from hypothesis import strategies as st

from jobmgrd.jobs.job import Job
from jobmgrd.jobs.singletons import Singletons
from protocol.jobspec import from_command, parse

SPEC = parse(from_command(["true"], name="sim"))


def job(id: int) -> Job:
    """A job of that name."""
    return Job(id, SPEC, b"")


@given(st.data())
def test_two_singletons_never_run_at_once_and_all_of_them_do(data: st.DataObject) -> None:
    """In whatever order jobs come, are canceled while they wait, and end."""
    singletons = Singletons()
    singletons.begin([])
    running: set[int] = set()
    waiting: set[int] = set()
    single: set[int] = set()
    for id in range(1, data.draw(st.integers(1, 30)) + 1):
        made = job(id)
        if data.draw(st.booleans()):
            single.add(id)
            if singletons.others(made.userid, "sim"):
                singletons.wait(made)
                waiting.add(id)
            else:
                running.add(id)
        else:
            running.add(id)
        singletons.taken(made)
        while data.draw(st.booleans()) and (running or waiting):
            end(singletons, data.draw(st.sampled_from(sorted(running | waiting))), running, waiting)
            assert len(running & single) <= 1
    while running:
        end(singletons, min(running), running, waiting)
        assert len(running & single) <= 1
    assert not waiting
    assert not singletons.others(0, "sim")


def end(singletons: Singletons, id: int, running: set[int], waiting: set[int]) -> None:
    """A job ends, or is canceled; the one that may go then runs."""
    running.discard(id)
    waiting.discard(id)
    freed = singletons.ended(id)
    if freed is not None:
        assert freed == min(waiting), "the first that came goes first"
        assert not running
        waiting.remove(freed)
        running.add(freed)
