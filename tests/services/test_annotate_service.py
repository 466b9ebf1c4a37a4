"""Annotations of pending jobs: why they wait, when the next can start, and who is told."""

import math
from typing import Any

from jobmgrd.jobs.policy import Policy
from jobmgrd.jobs.queues import QueueConfig
from protocol.job import URGENCY_HOLD, State
from protocol.journal import TOPIC
from tests.services.bench import Bench, Peer


async def annotated(bench: Bench) -> dict[int, Any]:
    """What job-list answers of each job's annotations."""
    jobs = await bench.listed(("annotations", "state"))
    return {id: job.get("annotations", {}).get("sched") for id, job in jobs.items()}


async def test_pending_jobs_say_how_many_are_ahead_and_the_head_when_it_can_start(
    bench: Bench,
) -> None:
    """By the time limit of what runs; a running job says what it holds."""
    running = await bench.started(num_tasks=3, duration=60.0)
    head, second = [await bench.submit(num_tasks=4) for _ in range(2)]
    held = await bench.submit(urgency=URGENCY_HOLD)
    t_run = bench.engine.jobs[running].t_run
    waits = {"reason_pending": "insufficient resources"}
    assert await annotated(bench) == {
        running: {"resource_summary": "rank0/core[0-2]"},
        head: waits | {"jobs_ahead": 0, "t_estimate": t_run + 60.0},
        second: waits | {"jobs_ahead": 1},
        held: None,
    }
    bench.executor.finish(running)
    await bench.until(lambda: running not in bench.engine.jobs)
    found = await annotated(bench)
    assert found[head] == {"resource_summary": "rank0/core[0-3]"}
    assert found[second] == waits | {"jobs_ahead": 0}


async def test_an_estimate_follows_a_new_time_limit(bench: Bench) -> None:
    """Of the job that runs."""
    running = await bench.started(num_tasks=4)
    head = await bench.submit()
    assert "t_estimate" not in (await annotated(bench))[head]
    job = bench.engine.jobs[running]
    bench.engine.update(job, {"attributes.system.duration": 100.0})
    assert (await annotated(bench))[head]["t_estimate"] == job.t_run + 100.0


async def test_jobs_of_stopped_queues_and_for_drained_nodes_say_so(bench: Bench) -> None:
    """With the reason that was given."""
    queues = bench.engine.allocator.queues
    queues.configure(Policy(), {"q": QueueConfig(), "new": QueueConfig()})
    queues.stop("q", "noon")
    bench.engine.allocator.arrange_queues()
    stopped, new, gone = [await bench.submit(queue=name) for name in ("q", "new", "gone")]
    found = await annotated(bench)
    assert found[stopped] == {"reason_pending": "queue is stopped: noon"}
    assert found[new] == {"reason_pending": "queue is stopped"}
    assert found[gone] == {"reason_pending": "queue gone is not configured"}
    bench.engine.allocator.scheduler.drain({0})
    queues.start("q")
    bench.engine.allocator.arrange_queues()
    await bench.settle()
    text = "insufficient resources: nodes are drained"
    assert (await annotated(bench))[stopped] == {"reason_pending": text, "jobs_ahead": 0}


async def test_the_journal_tells_of_them_and_no_eventlog_has_them(bench: Bench) -> None:
    """News if they changed, and as part of what was (RFC 21)."""
    await bench.started(num_tasks=4)
    head = await bench.submit()
    peer = Peer()
    news = bench.send(peer, TOPIC, {"allow": {"annotations": 1}}, stream=True)
    await bench.settle()
    for _ in range(2):
        sched = (await annotated(bench))[head]
    told = [reply for reply in peer.values(news) if reply["id"] == head]
    assert [reply["events"][0]["context"] for reply in told] == [{"annotations": {"sched": sched}}]
    later = bench.send(peer, TOPIC, {}, stream=True)
    await bench.settle()
    (was,) = [reply for reply in peer.values(later) if reply["id"] == head]
    assert was["events"][-1]["context"] == {"annotations": {"sched": sched}}
    assert b"annotations" not in bench.engine.jobs[head].eventlog


async def test_a_job_behind_a_blocked_head_goes_first_if_it_ends_in_time(bench: Bench) -> None:
    """The engine lets it, and the head starts no later."""
    running = await bench.started(num_tasks=3, duration=60.0)
    head = await bench.submit(num_tasks=4)
    short, endless = await bench.submit(duration=30.0), await bench.submit()
    await bench.until(lambda: short in bench.executor.attempts)
    assert bench.engine.jobs[endless].state is State.SCHED
    estimate = (await annotated(bench))[head]["t_estimate"]
    assert estimate == bench.engine.jobs[running].t_run + 60.0
    assert not math.isinf(estimate)


async def test_a_cancelled_head_lets_the_next_go(bench: Bench) -> None:
    """Nothing was freed, but the order is another."""
    await bench.started(num_tasks=3)
    head = await bench.submit(num_tasks=4)
    behind = await bench.submit()
    await bench.settle()
    assert behind not in bench.executor.attempts
    bench.engine.raise_exception(bench.engine.jobs[head], "cancel", 0, "")
    await bench.until(lambda: behind in bench.executor.attempts)
