"""Jobs that wait for a time, or for others of the same name."""

import errno

from jobmgrd.store.port import StoreError
from protocol.job import State
from tests.services.bench import GUEST, Bench
from tests.services.submitting import (
    cancel,
    end,
    events,
    request,
    state,
    submit,
)


async def test_a_begin_time_is_awaited(bench: Bench) -> None:
    """By the daemon's clock, whatever the timer says."""
    soon = bench.tick() + 0.2
    id = await submit(bench, f"begin-time:{soon}")
    assert bench.engine.jobs[id].dependencies == {f"begin-time={soon:.3f}": None}
    while bench.tick() < soon:
        assert state(bench, id) is State.DEPEND
    bench.dependencies.on_heartbeat()
    await bench.until(lambda: state(bench, id) is not State.DEPEND)


async def test_a_begin_time_in_the_past_has_come(bench: Bench) -> None:
    """The job goes on at once, with the events of one that waited."""
    id = await submit(bench, "begin-time:1")
    await bench.settle()
    names = [name for name, _ in await events(bench, id)]
    assert names[:5] == ["submit", "dependency-add", "validate", "dependency-remove", "depend"]


async def test_begin_times_come_in_their_order(bench: Bench) -> None:
    """Whatever the order of their submits."""
    now = bench.tick()
    late = await submit(bench, f"begin-time:{now + 1000}")
    early = await submit(bench, f"begin-time:{now + 0.1}")
    while bench.tick() < now + 0.2:
        pass
    bench.dependencies.on_heartbeat()
    await bench.settle()
    assert state(bench, early) is not State.DEPEND
    assert state(bench, late) is State.DEPEND


async def test_singletons_run_one_after_the_other(bench: Bench) -> None:
    """In the order of their submits, after the jobs of that name that were there."""
    plain = await submit(bench, name="sim")
    singles = [await submit(bench, "singleton:", name="sim") for _ in range(3)]
    for before, id in zip([plain, *singles], singles, strict=False):
        assert state(bench, id) is State.DEPEND
        await end(bench, before)
        assert state(bench, id) is State.RUN


async def test_a_singleton_waits_for_its_own_user_and_name_only(bench: Bench) -> None:
    """And for none, if there is no other; that a job has no name of its own counts for nothing."""
    await submit(bench, name="other")
    await submit(bench)
    await submit(bench, cred=GUEST, name="true")
    id = await submit(bench, "singleton:", name="true")
    await bench.settle()
    assert state(bench, id) is State.RUN
    assert "dependency-add" not in [name for name, _ in await events(bench, id)]


async def test_a_job_that_came_later_is_waited_for_too(bench: Bench) -> None:
    """A singleton goes only when it is alone."""
    first = await submit(bench, name="sim")
    single = await submit(bench, "singleton:", name="sim")
    later = await submit(bench, name="sim")
    await end(bench, first)
    assert state(bench, single) is State.DEPEND
    await end(bench, later)
    assert state(bench, single) is State.RUN


async def test_a_job_that_is_renamed_counts_by_its_first_name(bench: Bench) -> None:
    """So that no singleton waits for ever for a name that has gone."""
    first = await submit(bench, name="sim")
    single = await submit(bench, "singleton:", name="sim")
    renamed = {"attributes.system.job.name": "other"}
    bench.engine.post(bench.engine.jobs[first], "jobspec-update", renamed)
    assert bench.engine.jobs[first].jobspec.name == "other"
    await end(bench, first)
    assert state(bench, single) is State.RUN


async def test_a_canceled_singleton_lets_the_next_one_go(bench: Bench) -> None:
    """Waiting or running."""
    first = await submit(bench, name="sim")
    one, two, three = [await submit(bench, "singleton:", name="sim") for _ in range(3)]
    await cancel(bench, one)
    assert state(bench, two) is State.DEPEND
    await end(bench, first)
    assert state(bench, two) is State.RUN
    await cancel(bench, two)
    assert state(bench, three) is State.RUN


async def test_a_singleton_that_could_not_be_kept_is_not_counted(bench: Bench) -> None:
    """The next one runs."""
    first = await submit(bench, name="sim")
    single = await submit(bench, "singleton:", name="sim")
    bench.store.fault = StoreError(errno.ENOSPC, "no space left")
    assert (await bench.ask("job-ingest.submit", request("singleton:", name="sim")))[0] == (
        errno.ENOSPC
    )
    bench.store.fault = None
    await end(bench, first)
    assert state(bench, single) is State.RUN
