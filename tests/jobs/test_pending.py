"""Lanes: which queues wait for each other, and what a stopped queue keeps."""

from collections.abc import Mapping

from jobmgrd.jobs.job import Job
from jobmgrd.jobs.pending import Pending
from jobmgrd.jobs.policy import Policy
from jobmgrd.jobs.queues import QueueConfig, Queues
from protocol.jobspec import from_command, parse

NODES: Mapping[str, frozenset[int]] = {
    "a": frozenset({0, 1}),
    "b": frozenset({2}),
    "c": frozenset({1, 3}),
}


def job(id: int, queue: str | None, priority: int = 16) -> Job:
    """A job that waits."""
    made = Job(id, parse(from_command(["true"], queue=queue)), b"")
    made.priority = priority
    return made


def queues(*stopped: str) -> Queues:
    """Three queues and a virtual one of b, all started but these."""
    made = Queues()
    made.configure(
        Policy(), {name: QueueConfig((name,)) for name in NODES} | {"v": QueueConfig(parent="b")}
    )
    made.start(None)
    for name in stopped:
        made.stop(name, None)
    return made


def heads(pending: Pending) -> set[int]:
    """The ids of the jobs that would be next."""
    return {head.id for lane in pending.lanes if (head := lane.head()) is not None}


def test_queues_with_common_nodes_and_virtual_ones_are_one_lane() -> None:
    """The others go ahead by themselves."""
    pending = Pending()
    pending.arrange(queues(), NODES)
    for id, name in enumerate(["a", "c", "b", "v"], start=1):
        pending.add(job(id, name))
    pending.add(job(5, "v", priority=20))
    assert len(pending.lanes) == 2
    assert heads(pending) == {1, 5}
    pending.remove(1)
    pending.remove(5)
    assert heads(pending) == {2, 3}


def test_jobs_of_a_stopped_queue_wait_aside_until_it_is_started() -> None:
    """Those of one that is gone, too."""
    pending = Pending()
    pending.arrange(queues("b"), NODES)
    for id, name in enumerate(["a", "b", "v", "gone"], start=1):
        pending.add(job(id, name))
    assert heads(pending) == {1}
    pending.remove(3)
    pending.arrange(queues(), NODES)
    assert heads(pending) == {1, 2}
    assert len(pending) == 3
    pending.arrange(queues("a", "b", "c", "v"), NODES)
    assert heads(pending) == set()
    assert {waiting.id for waiting in pending.jobs()} == {1, 2, 4}
