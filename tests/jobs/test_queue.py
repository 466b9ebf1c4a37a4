"""The queue of jobs that wait for resources."""

import json

from hypothesis import given
from hypothesis import strategies as st

from jobmgrd.jobs.job import Job
from jobmgrd.jobs.queue import PendingQueue
from protocol.jobspec import from_command, parse

JOBSPEC = parse(from_command(["true"]))
TEXT = json.dumps({}).encode()


def make(id: int, priority: int = 16) -> Job:
    """A job with a priority."""
    job = Job(id, JOBSPEC, TEXT)
    job.priority = priority
    return job


def drain(queue: PendingQueue) -> list[int]:
    """The ids in the order in which they leave."""
    ids = []
    while (job := queue.head()) is not None:
        ids.append(job.id)
        queue.remove(job.id)
    return ids


def test_the_highest_priority_goes_first_then_the_older_id() -> None:
    """Priority then id, as flux-core orders its alloc queue."""
    queue = PendingQueue()
    for job in (make(3), make(1), make(2, 30), make(4, 5)):
        queue.add(job)
    assert drain(queue) == [2, 1, 3, 4]


def test_held_jobs_wait_and_do_not_block() -> None:
    """A job of priority 0 is a member, never the head."""
    queue = PendingQueue()
    queue.add(make(1, 0))
    queue.add(make(2))
    assert drain(queue) == [2]
    assert len(queue) == 1


def test_a_new_priority_counts_and_the_old_one_does_not() -> None:
    """Adding a job again moves it."""
    queue = PendingQueue()
    first, second = make(1, 30), make(2, 20)
    queue.add(first)
    queue.add(second)
    queue.remove(1)
    first.priority = 10
    queue.add(first)
    assert drain(queue) == [2, 1]


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 5), st.booleans()), max_size=200))
def test_it_equals_a_sorted_list(steps: list[tuple[int, int, bool]]) -> None:
    """After any additions and removals the order is that of sorting what is in."""
    queue = PendingQueue()
    model: dict[int, int] = {}
    for id, priority, add in steps:
        queue.remove(id)
        model.pop(id, None)
        if add:
            queue.add(make(id, priority))
            model[id] = priority
    assert len(queue) == len(model)
    expected = sorted((i for i, p in model.items() if p), key=lambda i: (-model[i], i))
    assert drain(queue) == expected
