"""What jobs wait for is awaited again after a restart."""

from jobmgrd.store.port import Changes
from protocol.job import State
from tests.services.bench import Bench
from tests.services.dependencies.dependents import HOLD, exception, waiting_row
from tests.services.submitting import (
    cancel,
    end,
    events,
    start,
    state,
    submit,
)


async def test_dependencies_are_awaited_again_after_a_restart(bench: Bench) -> None:
    """Of every kind; those met before stay met."""
    met, target = await submit(bench, urgency=HOLD), await submit(bench, name="sim", urgency=HOLD)
    both = await submit(bench, f"afterany:{met}", f"afterok:{target}")
    single = await submit(bench, "singleton:", name="sim")
    timed = await submit(bench, f"begin-time:{bench.tick() + 1000}")
    started = await submit(bench, f"afterstart:{target}")
    await cancel(bench, met)
    await bench.boot()
    await bench.settle()
    for id in (both, single, timed, started):
        assert state(bench, id) is State.DEPEND
    await bench.ask("job-manager.getinfo", {})
    bench.engine.post(bench.engine.jobs[target], "urgency", {"urgency": 16, "userid": 1})
    await start(bench, target)
    assert state(bench, started) is State.RUN
    await end(bench, target)
    assert state(bench, both) is State.RUN
    assert state(bench, single) is State.RUN
    assert state(bench, timed) is State.DEPEND
    adds = [name for name, _ in await events(bench, both)].count("dependency-add")
    assert adds == 2


async def test_what_happened_while_nobody_resolved_it_is_resolved_after_the_restart(
    bench: Bench,
) -> None:
    """The crash came between the end of the target and what follows from it."""
    good, bad = await submit(bench, name="sim"), await submit(bench)
    ok = await submit(bench, f"afterok:{good}")
    not_ok = await submit(bench, f"afterok:{bad}")
    single = await submit(bench, "singleton:", name="sim")
    bench.engine.commits._listeners.remove(bench.dependencies)
    await end(bench, good)
    await end(bench, bad, status=256)
    assert {state(bench, id) for id in (ok, not_ok, single)} == {State.DEPEND}
    await bench.boot()
    await bench.settle()
    assert state(bench, ok) is State.RUN
    assert state(bench, single) is State.RUN
    assert "can never be satisfied" in await exception(bench, not_ok)


async def test_a_cycle_made_by_hand_ends_and_hangs_nobody(bench: Bench) -> None:
    """Edited into the store: somewhere in each cycle a job waits for a younger one."""
    for id, target in ((10, 11), (11, 12), (12, 10), (13, 13)):
        await bench.store.write(Changes(active=[waiting_row(id, target)]))
    await bench.boot()
    await bench.until(lambda: list(bench.engine.jobs) == [12])  # it waits for the older 10
    await end(bench, 12)
    assert await exception(bench, 13) == (
        "dependency after-finish=13 can never be satisfied: job 13 is not older than this job"
    )
    assert "is not older" in await exception(bench, 10)


async def test_a_target_that_nobody_knows_any_more_ends_the_job(bench: Bench) -> None:
    """Its tombstone was trimmed, or the store was edited."""
    await bench.store.write(Changes(active=[waiting_row(10, 9)]))
    await bench.boot()
    assert await exception(bench, 10) == (
        "dependency after-finish=9 can never be satisfied: job 9 is not known any more"
    )


async def test_a_scheme_that_nobody_knows_any_more_is_said_so(bench: Bench) -> None:
    """The job stays, and can be canceled."""
    await bench.store.write(Changes(active=[waiting_row(10, 9, scheme="moon", name="moon")]))
    await bench.boot()
    ((name, context),) = (await events(bench, 10))[3:]
    assert (name, context["severity"]) == ("exception", 4)
    assert context["note"] == (
        'dependency scheme "moon" not supported (job may be stuck in DEPEND state)'
    )
    await cancel(bench, 10)
