"""Dependencies: what jobs wait for, and how that is met or never will be."""

from jobmgrd.exec.port import Started
from protocol.job import State
from tests.services.bench import Bench, Peer
from tests.services.dependencies.dependents import HOLD, exception
from tests.services.submitting import (
    cancel,
    end,
    events,
    request,
    start,
    state,
    submit,
)


async def test_a_job_waits_in_depend_until_all_its_dependencies_are_removed(bench: Bench) -> None:
    """With the events of RFC 21, added before the job is valid and removed as they are met."""
    first, second = await submit(bench), await submit(bench)
    id = await submit(bench, f"afterok:{first}", f"afterany:{second}")
    await end(bench, first)
    assert state(bench, id) is State.DEPEND
    await end(bench, second, status=256)
    assert state(bench, id) is State.RUN
    assert (await events(bench, id))[1:7] == [
        ("dependency-add", {"description": f"after-success={first}"}),
        ("dependency-add", {"description": f"after-finish={second}"}),
        ("validate", {}),
        ("dependency-remove", {"description": f"after-success={first}"}),
        ("dependency-remove", {"description": f"after-finish={second}"}),
        ("depend", {}),
    ]


async def test_what_a_job_still_waits_for_is_listed(bench: Bench) -> None:
    """As descriptions, as flux-core's job-list has it; nothing once there is none."""
    first, second = await submit(bench), await submit(bench)
    id = await submit(bench, f"afterok:{first}", f"afterany:{second}")
    listed = await bench.listed(("dependencies",))
    assert listed[id]["dependencies"] == [f"after-success={first}", f"after-finish={second}"]
    await end(bench, first)
    assert (await bench.listed(("dependencies",)))[id]["dependencies"] == [f"after-finish={second}"]
    await end(bench, second)
    assert "dependencies" not in (await bench.listed(("dependencies",)))[id]


async def test_afterstart_is_met_by_the_start_and_not_by_the_resources(bench: Bench) -> None:
    """The target's start event, and nothing before it."""
    target = await submit(bench)
    id = await submit(bench, f"afterstart:{target}")
    await bench.until(lambda: target in bench.executor.attempts)
    await bench.settle()
    assert state(bench, target) is State.RUN
    assert state(bench, id) is State.DEPEND
    await start(bench, target)
    assert state(bench, id) is State.RUN


async def test_afterstart_of_a_job_that_runs_is_met_at_once(bench: Bench) -> None:
    """It has started already."""
    target = await submit(bench)
    await start(bench, target)
    id = await submit(bench, f"afterstart:{target}")
    await bench.settle()
    assert state(bench, id) is State.RUN


async def test_the_scheme_after_says_that_it_is_deprecated(bench: Bench) -> None:
    """In an exception that does no harm."""
    target = await submit(bench)
    id = await submit(bench, f"after:{target}")
    name, context = (await events(bench, id))[1]
    assert (name, context["severity"], context["type"]) == ("exception", 3, "dependency")
    assert context["note"] == "dependency scheme 'after' is deprecated, use 'afterstart'"
    await start(bench, target)
    assert state(bench, id) is State.RUN


async def test_a_dependency_that_is_never_met_ends_the_job_with_a_note(bench: Bench) -> None:
    """The job and all that wait for it to succeed."""
    target = await submit(bench)
    id = await submit(bench, f"afterok:{target}")
    next_one = await submit(bench, f"afterok:{id}")
    await end(bench, target, status=256)
    assert await exception(bench, id) == (
        f"dependency after-success={target} can never be satisfied:"
        f" job {target} failed or was canceled"
    )
    assert await exception(bench, next_one) == f"dependency after-success={id} job never started"


async def test_a_chain_of_afterany_goes_on_after_a_cancel(bench: Bench) -> None:
    """It is the one scheme that a job meets that never ran."""
    target = await submit(bench, urgency=HOLD)
    id = await submit(bench, f"afterany:{target}")
    other = await submit(bench, f"afternotok:{target}")
    await cancel(bench, target)
    assert state(bench, id) is State.RUN
    assert await exception(bench, other) == f"dependency after-failure={target} job never started"


async def test_a_canceled_job_waits_for_nothing_any_more(bench: Bench) -> None:
    """The end of its target finds it gone."""
    target = await submit(bench)
    id = await submit(bench, f"afterany:{target}", f"begin-time:{bench.tick() + 0.1}")
    await cancel(bench, id)
    await end(bench, target)
    assert [name for name, _ in await events(bench, id)][-2:] == ["exception", "clean"]


async def test_the_same_dependency_twice_is_one(bench: Bench) -> None:
    """RFC 26: a duplicate is not posted."""
    target = await submit(bench)
    id = await submit(bench, f"afterok:{target}", f"afterok:{target}")
    await end(bench, target)
    assert [name for name, _ in await events(bench, id)].count("dependency-add") == 1
    assert state(bench, id) is State.RUN


async def test_ten_thousand_jobs_that_wait_for_one_are_resolved_with_work_in_between(
    bench: Bench,
) -> None:
    """Each is looked at once, and an RPC is answered before all are through."""
    target = await submit(bench)
    peer = Peer()
    jobs = 10_000
    body = request(f"afterok:{target}", urgency=HOLD)
    for _ in range(jobs):
        bench.send(peer, "job-ingest.submit", body)
    await bench.until(lambda: len(peer.received) == jobs)
    bench.executor.tell(Started(target))
    bench.executor.finish(target)

    def waiting() -> int:
        return sum(job.state is State.DEPEND for job in bench.engine.jobs.values())

    await bench.until(lambda: waiting() < jobs)
    await bench.ask("job-manager.getinfo", {})
    assert waiting() > jobs // 2
    await bench.until(lambda: waiting() == 0)
    assert len(bench.engine.jobs) == jobs
