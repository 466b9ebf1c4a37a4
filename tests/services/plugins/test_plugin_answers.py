"""What plugins answer: of jobs and updates, dependencies, priorities, exceptions."""

import errno

import pytest

from jobmgrd.plugins import ACCEPT, HOLD, Refuse
from jobmgrd.plugins.guard import Source
from jobmgrd.services.update import Update
from jobmgrd.store.port import StoreError
from protocol.job import State
from tests.services.bench import GUEST, Bench
from tests.services.plugins.noting import HOLD_URGENCY, Noting, load
from tests.services.submitting import end, events, refused, request, start, state, submit


async def test_a_plugin_refuses_a_job_with_a_text(bench: Bench, plugin: Noting) -> None:
    """The user reads it, and nothing is taken in."""
    plugin.answers["validate"] = "not on a Sunday"
    assert await refused(bench) == "not on a Sunday"
    assert await refused(bench, f"begin-time:{bench.tick() + 10}") == "not on a Sunday"
    assert not bench.engine.jobs
    assert [told[0] for told in plugin.told] == ["validate", "validate"]


async def test_a_plugin_refuses_an_update_with_a_text(bench: Bench, plugin: Noting) -> None:
    """It sees the job as it would be, and the job stays as it is; the owner gives any duration."""
    bench.router.add(Update(bench.engine, bench.store, bench.tick, bench.plugins.check_update))
    id = await submit(bench, urgency=HOLD_URGENCY)
    plugin.answers["validate"] = "no"
    rename = {"id": id, "updates": {"attributes.system.job.name": "other"}}
    assert await bench.ask("job-manager.update", rename) == (errno.EINVAL, "no")
    assert bench.engine.jobs[id].jobspec.name == "true"
    longer = {"id": id, "updates": {"attributes.system.duration": 60.0}}
    assert await bench.ask("job-manager.update", longer) == {}
    load(bench, Source("user-limits", {"max-active": 1}))
    assert await bench.ask("job-manager.update", rename) == {}


async def test_a_plugin_allows_updates_that_nobody_else_knows(bench: Bench, plugin: Noting) -> None:
    """Of attributes alone; it is told of what was updated, once that is durable."""
    update = Update(bench.engine, bench.store, bench.tick, allow=bench.plugins.may_update)
    bench.router.add(update)
    id = await submit(bench, urgency=HOLD_URGENCY)
    tag = {"attributes.user.tag": [1]}
    refusal = (errno.EINVAL, "update of attributes.user.tag not supported")
    assert await bench.ask("job-manager.update", {"id": id, "updates": tag}) == refusal
    plugin.answers["update"] = ACCEPT
    plugin.told.clear()
    assert await bench.ask("job-manager.update", {"id": id, "updates": tag}, GUEST)
    assert not plugin.told
    assert await bench.ask("job-manager.update", {"id": id, "updates": tag}) == {}
    told = [told for told in plugin.told if "update" in told[0]]
    assert told == [("update", "attributes.user.tag", [1], 1), ("job_update", id, tag)]
    shown = await bench.ask("job-info.lookup", {"id": id, "keys": ["jobspec"], "flags": 2})
    assert '"tag":[1]' in shown["jobspec"]
    tasks = {"id": id, "updates": {"tasks": []}}
    assert await bench.ask("job-manager.update", tasks) == (
        errno.EINVAL,
        "update of tasks not supported",
    )


async def test_a_plugin_refuses_to_update_a_path(bench: Bench, plugin: Noting) -> None:
    """One that is known, too; what makes no sense counts as no opinion."""
    update = Update(bench.engine, bench.store, bench.tick, allow=bench.plugins.may_update)
    bench.router.add(update)
    id = await submit(bench, urgency=HOLD_URGENCY)
    rename = {"id": id, "updates": {"attributes.system.job.name": "other"}}
    plugin.answers["update"] = Refuse("names are for ever")
    refusal = (errno.EINVAL, "names are for ever")
    assert await bench.ask("job-manager.update", rename) == refusal
    assert bench.engine.jobs[id].jobspec.name == "true"
    plugin.answers["update"] = HOLD
    assert await bench.ask("job-manager.update", rename) == {}
    (stats,) = bench.plugins.stats()
    assert "expected ACCEPT, Refuse with a line of text, or None" in stats.last_error


async def test_a_plugin_that_raises_refuses_nothing(bench: Bench, plugin: Noting) -> None:
    """The job is treated as if it had not spoken."""
    plugin.answers |= {
        "validate": ValueError("why"),
        "hold": ValueError("why"),
        "priority": ValueError("why"),
    }
    id = await submit(bench)
    await bench.settle()
    assert state(bench, id) is State.RUN
    assert bench.engine.jobs[id].priority == 16
    (stats,) = bench.plugins.stats()
    assert (stats.errors, stats.last_error) == (3, "priority: ValueError: why")


async def test_a_dependency_of_a_scheme_of_a_plugins_is_its_to_answer(
    bench: Bench, plugin: Noting
) -> None:
    """Accepted, held until it is released, refused, or somebody else's."""
    plugin.answers["dependency"] = ACCEPT
    accepted = await submit(bench, "moon:full")
    plugin.answers["dependency"] = HOLD
    held = await submit(bench, "moon:full")
    await bench.settle()
    assert state(bench, accepted) is State.RUN
    assert state(bench, held) is State.DEPEND
    assert (await events(bench, held))[1] == ("dependency-add", {"description": "moon=full"})
    plugin.manager.release(held, "moon=full")
    await bench.settle()
    assert state(bench, held) is State.SCHED
    plugin.answers["dependency"] = Refuse("there is no moon tonight")
    assert await refused(bench, "moon:full") == "there is no moon tonight"
    for nonsense in (None, "HOLD"):
        plugin.answers["dependency"] = nonsense
        assert await refused(bench, "moon:full") == 'dependency scheme "moon" not supported'
    assert await refused(bench, "sun:up") == 'dependency scheme "sun" not supported'


async def test_a_plugin_holds_a_job_by_a_dependency_of_its_own(
    bench: Bench, plugin: Noting
) -> None:
    """Once the job has met its own; each description holds it once."""
    target = await submit(bench)
    await start(bench, target)
    plugin.answers["hold"] = "limit"
    id = await submit(bench, f"afterok:{target}")
    assert list(bench.engine.jobs[id].dependencies) == [f"after-success={target}"]
    await end(bench, target)
    assert list(bench.engine.jobs[id].dependencies) == ["limit"]
    plugin.answers["hold"] = "another limit"
    plugin.manager.release(id, "limit")
    await bench.settle()
    assert list(bench.engine.jobs[id].dependencies) == ["another limit"]
    plugin.answers["hold"] = "limit"
    plugin.manager.release(id, "another limit")
    await bench.settle()
    assert state(bench, id) is State.RUN


async def test_plugins_are_told_of_the_life_of_a_job(bench: Bench, plugin: Noting) -> None:
    """In order: before it is active, its states as they are durable, its end, its purge."""
    id = await submit(bench)
    await end(bench, id, status=256)
    event = await bench.purge(id)
    assert event is not None
    bench.plugins.purged(event)
    assert plugin.told == [
        ("validate", id),
        ("job_new", id),
        *((name, id) for name in ("DEPEND", "PRIORITY", "SCHED", "RUN", "CLEANUP", "INACTIVE")),
        ("inactive_add", id, "FAILED"),
        ("inactive_remove", id),
    ]


async def test_a_job_that_could_not_be_kept_is_taken_back(bench: Bench, plugin: Noting) -> None:
    """So that counts of plugins stay right."""
    bench.store.fault = StoreError(errno.ENOSPC, "no space left")
    assert (await bench.ask("job-ingest.submit", request()))[0] == errno.ENOSPC
    assert [name for name, _ in plugin.told] == ["validate", "job_new", "job_lost"]


async def test_a_plugin_says_who_goes_first(bench: Bench, plugin: Noting) -> None:
    """And may change its mind while the jobs wait."""
    running = await submit(bench)
    await start(bench, running)
    plugin.answers["priority"] = 10
    first, second = await submit(bench), await submit(bench)
    await bench.settle()
    plugin.answers["priority"] = 20
    plugin.manager.reprioritize(second)
    await bench.settle()
    assert [bench.engine.jobs[id].priority for id in (first, second)] == [10, 20]
    assert ("priority", {"priority": 20}) in await events(bench, second)
    await end(bench, running)
    assert state(bench, second) is State.RUN
    plugin.answers["priority"] = 30
    plugin.manager.reprioritize()
    await end(bench, second)
    assert state(bench, first) is State.RUN
    assert bench.engine.jobs[first].priority == 30


async def test_a_priority_that_stays_the_same_is_not_posted_again(
    bench: Bench, plugin: Noting
) -> None:
    """As in flux-core: it would be noise in the eventlog."""
    running = await submit(bench)
    await start(bench, running)
    id = await submit(bench)
    await bench.settle()
    before = await events(bench, id)
    plugin.manager.reprioritize()
    assert await events(bench, id) == before


@pytest.mark.parametrize(("urgency", "priority"), [(0, 0), (31, 2**32 - 1)])
async def test_hold_and_expedite_go_before_any_plugin(
    bench: Bench, plugin: Noting, urgency: int, priority: int
) -> None:
    """flux-core's prioritize.c."""
    plugin.answers["priority"] = 7
    id = await submit(bench, urgency=urgency)
    await bench.settle()
    assert bench.engine.jobs[id].priority == priority


async def test_a_job_may_be_ended_by_a_plugin(bench: Bench, plugin: Noting) -> None:
    """By an exception; what makes no sense is refused to its face."""
    id = await submit(bench)
    await start(bench, id)
    plugin.manager.raise_exception(id, "site", "not today")
    await bench.until(lambda: id not in bench.engine.jobs)
    (context,) = [context for name, context in await events(bench, id) if name == "exception"]
    assert context == {"type": "site", "severity": 0, "note": "not today"}
    for arguments in ((id, "a b", "x"), (id, "x", "x", 8), (id, "x", 7), ("1", "x", "x")):
        with pytest.raises((TypeError, ValueError)):
            plugin.manager.raise_exception(*arguments)
    with pytest.raises(TypeError):
        plugin.manager.release("1", "x")  # type: ignore[arg-type]
