"""Plugins are loaded, configured anew, removed, disabled, and asked again after a restart."""

import errno

import pytest

from jobmgrd.plugins import ACCEPT, HOLD, JobView, Refuse
from jobmgrd.plugins.guard import ERRORS_MAX, Source
from jobmgrd.services.plugins import LoadError
from protocol.job import State
from tests.services.bench import GUEST, Bench
from tests.services.plugins.noting import HERE, HOLD_URGENCY, NOTING, Noting, load
from tests.services.submitting import cancel, end, events, start, state, submit


async def test_a_plugin_that_did_not_change_stays_over_a_reload(
    bench: Bench, plugin: Noting
) -> None:
    """One whose conf did is made anew, and told of all active jobs."""
    id = await submit(bench)
    await start(bench, id)
    load(bench, NOTING)
    assert Noting.made == [plugin]
    load(bench, Source(NOTING.load, {"priority": 5}))
    assert len(Noting.made) == 2
    assert Noting.made[1].told == [("job_new", id)]
    count = len(plugin.told)
    await end(bench, id)
    assert len(plugin.told) == count
    assert Noting.made[1].told[-1] == ("inactive_add", id, "COMPLETED")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (Source(f"{HERE}:broken"), "max-active is -1"),
        (Source(f"{HERE}:Missing"), "AttributeError"),
        (Source("nobody"), "no plugin 'nobody' is installed"),
        (Source("user-limits", {"max-active": "many"}), "Expected `int | null`, got `str`"),
        (Source("user-limits", {"max-run": 1}), "max-run"),
        (Source("user-limits", {"users": {"no such user": {}}}), "there is no user 'no such user'"),
        (Source("priority-by-user", {"default": -1}), "Expected `int` >= 0"),
        (Source("priority-by-user", {"users": {"root": 1, "0": 2}}), "is named twice"),
    ],
)
async def test_a_plugin_that_cannot_be_loaded_changes_nothing(
    bench: Bench, plugin: Noting, source: Source, text: str
) -> None:
    """Neither does any of those beside it."""
    with pytest.raises(LoadError, match=text):
        bench.plugins.prepare([Source(NOTING.load, {"priority": 5}), source])
    plugin.answers["priority"] = 9
    id = await submit(bench)
    assert bench.engine.jobs[id].priority == 9


async def test_what_a_plugin_held_goes_when_it_is_removed(bench: Bench, plugin: Noting) -> None:
    """A dependency that the user asked for stays, and says that nobody awaits it any more."""
    await start(bench, await submit(bench))
    plugin.answers |= {"hold": "limit", "dependency": HOLD, "priority": 99}
    held = await submit(bench)
    asked = await submit(bench, "moon:full")
    load(bench)
    await bench.settle()
    assert state(bench, held) is State.SCHED
    assert bench.engine.jobs[held].priority == 16
    assert list(bench.engine.jobs[asked].dependencies) == ["moon=full"]
    name, context = (await events(bench, asked))[-1]
    assert (name, context["severity"]) == ("exception", 4)
    assert context["note"] == (
        'dependency scheme "moon" not supported (job may be stuck in DEPEND state)'
    )
    load(bench, Source(NOTING.load, {"dependency": ACCEPT}))
    await bench.settle()
    assert state(bench, asked) is State.SCHED
    await cancel(bench, asked)


async def test_a_restart_asks_again_for_what_waits(bench: Bench, plugin: Noting) -> None:
    """The new plugin holds what it wants to hold, and adds nothing twice."""
    plugin.answers |= {"hold": "limit", "dependency": HOLD}
    one, two = await submit(bench, "moon:full"), await submit(bench, urgency=HOLD_URGENCY)
    for conf, states in (
        ({"hold": "limit", "dependency": HOLD}, (State.DEPEND, State.DEPEND)),
        ({"dependency": HOLD}, (State.DEPEND, State.SCHED)),
        ({"dependency": Refuse("no moon")}, (None, State.SCHED)),
    ):
        bench.sources = [Source(NOTING.load, conf)]
        await bench.boot()
        await bench.settle()
        assert Noting.made[-1].told[:2] == [("job_new", one), ("job_new", two)]
        jobs = bench.engine.jobs
        assert tuple(jobs[id].state if id in jobs else None for id in (one, two)) == states
    assert [name for name, _ in await events(bench, two)].count("dependency-add") == 1
    (context,) = [context for name, context in await events(bench, one) if name == "exception"]
    assert (context["severity"], context["note"]) == (0, "no moon")


async def test_a_disabled_plugin_holds_nobody(bench: Bench, plugin: Noting) -> None:
    """After errors in a row it is not asked any more, and what it held goes."""
    await start(bench, await submit(bench))
    plugin.answers["hold"] = "limit"
    held = await submit(bench)
    plugin.answers |= {"hold": None, "validate": 7, "priority": 7.0}
    ids = [await submit(bench, urgency=0) for _ in range(ERRORS_MAX)]
    for _ in ids:
        plugin.manager.reprioritize()
    plugin_stats = bench.plugins.stats()[0]
    assert not plugin_stats.disabled  # job_new goes well in between
    guarded = bench.plugins._plugins[0]
    for _ in range(ERRORS_MAX):
        guarded.ask("priority", job=JobView(bench.engine.jobs[held]))
    await bench.settle()
    assert bench.plugins.stats()[0].disabled
    assert state(bench, held) is State.SCHED
    told = len(plugin.told)
    await submit(bench)
    assert len(plugin.told) == told
    load(bench, NOTING)
    assert len(Noting.made) == 2


async def test_what_plugins_do_is_told_on_request(bench: Bench, plugin: Noting) -> None:
    """As flux jobtap asks for it; loading by request is refused."""
    await submit(bench)
    assert await bench.ask("job-manager.jobtap", {"query_only": True}) == {"plugins": [NOTING.load]}
    reply = await bench.ask("job-manager.jobtap-query", {"name": NOTING.load})
    assert (reply["name"], reply["path"]) == (NOTING.load, f"{HERE}:Noting")
    assert "inactive_remove" in reply["hooks"]
    assert (reply["calls"] > 0, reply["errors"], reply["conf"]) == (True, 0, {})
    assert plugin.told
    assert await bench.ask("job-manager.jobtap-query", {"name": "x"}) == (
        errno.ENOENT,
        "x: plugin not found",
    )
    errnum, text = await bench.ask("job-manager.jobtap", {"load": "/tmp/evil.so"})
    assert errnum == errno.EPERM
    assert "[[job-manager.plugins]]" in text
    assert (await bench.ask("job-manager.jobtap", {}, GUEST))[0] == errno.EPERM
