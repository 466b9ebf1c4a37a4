"""Plugins in the daemon: asked at submit, told of jobs, over reloads, restarts and errors."""

import errno
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from jobmgrd.plugins import ACCEPT, HOLD, JobView, Manager, Refuse, hookimpl
from jobmgrd.plugins.guard import ERRORS_MAX, Source
from jobmgrd.services.plugins import LoadError
from jobmgrd.services.update import Update
from jobmgrd.store.port import StoreError
from protocol.job import State
from protocol.message import ROLE_USER, Cred
from tests.services.bench import GUEST, Bench, Peer
from tests.services.submitting import cancel, end, events, refused, request, start, state, submit

HERE = __name__
HOLD_URGENCY = 0
"""Jobs of this urgency stay in SCHED, over a restart, too."""
DOCS = Path(__file__).parents[2] / "docs"


class Noting:
    """Notes what it is told, and answers what the test says."""

    made: list["Noting"]

    def __init__(self, conf: Mapping[str, Any], manager: Manager) -> None:
        self.conf = conf
        self.manager = manager
        self.told: list[tuple[Any, ...]] = []
        self.answers: dict[str, Any] = dict(conf)
        Noting.made.append(self)

    def answer(self, hook: str) -> Any:  # noqa: ANN401
        """What the test says, or what it raises."""
        found = self.answers.get(hook)
        if isinstance(found, Exception):
            raise found
        return found

    @hookimpl
    def validate(self, job: JobView) -> Any:  # noqa: ANN401
        """See Hooks."""
        self.told.append(("validate", job.id))
        return self.answer("validate")

    @hookimpl
    def dependency(self, scheme: str, keys: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """See Hooks."""
        return self.answer("dependency") if scheme == "moon" and keys["value"] else None

    @hookimpl
    def hold(self) -> Any:  # noqa: ANN401
        """See Hooks."""
        return self.answer("hold")

    @hookimpl
    def priority(self) -> Any:  # noqa: ANN401
        """See Hooks."""
        return self.answer("priority")

    @hookimpl
    def job_new(self, job: JobView) -> None:
        """See Hooks."""
        self.told.append(("job_new", job.id))

    @hookimpl
    def job_lost(self, job: JobView) -> None:
        """See Hooks."""
        self.told.append(("job_lost", job.id))

    @hookimpl
    def job_state(self, job: JobView, state: str) -> None:
        """See Hooks."""
        self.told.append((state, job.id))

    @hookimpl
    def update(self, path: str, value: Any, userid: int) -> Any:  # noqa: ANN401
        """See Hooks."""
        self.told.append(("update", path, value, userid))
        return self.answer("update")

    @hookimpl
    def job_update(self, job: JobView, updates: Mapping[str, Any]) -> None:
        """See Hooks."""
        self.told.append(("job_update", job.id, updates))

    @hookimpl
    def inactive_add(self, job: JobView) -> None:
        """See Hooks."""
        assert job.result is not None
        self.told.append(("inactive_add", job.id, job.result.name))

    @hookimpl
    def inactive_remove(self, id: int) -> None:
        """See Hooks."""
        self.told.append(("inactive_remove", id))


def broken(_conf: Mapping[str, Any], _manager: Manager) -> object:
    """A plugin that cannot be made."""
    raise ValueError("max-active is -1")


NOTING = Source(f"{HERE}:Noting")


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A daemon with one plugin, on a host with one core."""
    Noting.made = []
    made = Bench(cores=1)
    made.sources = [NOTING]
    await made.boot()
    made.router.add(made.plugins)
    yield made
    await made.store.close()


@pytest.fixture
def plugin(bench: Bench) -> Noting:
    """The plugin."""
    assert bench.plugins.loaded
    return Noting.made[0]


def load(bench: Bench, *sources: Source) -> None:
    """Reload with these plugins."""
    bench.plugins.use(bench.plugins.prepare(sources))


# --- submit -----------------------------------------------------------------------------------


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


# --- priority ---------------------------------------------------------------------------------


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


# --- loading ----------------------------------------------------------------------------------


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


# --- those that are shipped -------------------------------------------------------------------


async def test_user_limits_bound_what_is_active(bench: Bench) -> None:
    """Of each user alone; also when submits are under way at once, and one can be lost."""
    load(bench, Source("user-limits", {"max-active": 3, "users": {"99": {"max-active": 1}}}))
    first = await submit(bench)
    await submit(bench, cred=GUEST)
    assert await refused(bench, cred=GUEST) == "user has max number of active jobs: 1"
    bench.store.fault = StoreError(errno.ENOSPC, "no space left")
    assert (await bench.ask("job-ingest.submit", request()))[0] == errno.ENOSPC
    bench.store.fault = None
    peer = Peer()
    for dependency in ([], ["begin-time:1"], []):
        bench.send(peer, "job-ingest.submit", request(*dependency))
    await bench.until(lambda: len(peer.received) == 3)
    assert sorted(response.errnum for response in peer.received) == [0, 0, errno.EINVAL]
    await end(bench, first)
    await submit(bench)


async def test_user_limits_bound_what_runs(bench: Bench) -> None:
    """The others wait in DEPEND, and go in the order of their submits, over a restart, too."""
    limits = Source("user-limits", {"max-running": 1})
    bench.sources = [limits]
    await bench.boot()
    one, two, three = [await submit(bench, urgency=HOLD_URGENCY) for _ in range(3)]
    guest = await submit(bench, cred=GUEST)
    await bench.settle()
    assert list(bench.engine.jobs[two].dependencies) == ["max-running-jobs-user-limit"]
    assert state(bench, guest) is State.RUN
    await bench.boot()
    await bench.settle()
    assert state(bench, two) is State.DEPEND
    await cancel(bench, one)
    assert state(bench, two) is State.SCHED
    assert state(bench, three) is State.DEPEND
    load(bench, Source(limits.load, {"max-running": 2}))
    await bench.settle()
    assert state(bench, three) is State.SCHED


async def test_a_job_takes_no_place_while_it_waits_for_something_else(bench: Bench) -> None:
    """A user's later jobs run meanwhile."""
    load(bench, Source("user-limits", {"max-running": 1}))
    target = await submit(bench, urgency=HOLD_URGENCY)
    await cancel(bench, await submit(bench, f"afterok:{target}"))
    await cancel(bench, target)
    timed = await submit(bench, f"begin-time:{bench.tick() + 1000}")
    id = await submit(bench)
    await bench.settle()
    assert state(bench, timed) is State.DEPEND
    assert state(bench, id) is State.RUN


async def test_priority_by_user_puts_larger_shares_first(bench: Bench) -> None:
    """A user's share goes before the bank's; a share of 0 holds; urgency decides among equals."""
    conf = {"users": {"99": 50, "98": 0}, "banks": {"physics": 20}, "default": 3}
    load(bench, Source("priority-by-user", conf))
    running = await submit(bench)
    await start(bench, running)
    body = request(urgency=17)
    body["jobspec"]["attributes"]["system"]["bank"] = "physics"
    ids = [
        await submit(bench),
        (await bench.ask("job-ingest.submit", body))["id"],
        await submit(bench, cred=GUEST),
        await submit(bench, cred=Cred(98, ROLE_USER)),
    ]
    await bench.settle()
    assert [bench.engine.jobs[id].priority for id in ids] == [316, 2017, 5016, 0]
    load(bench)
    assert [bench.engine.jobs[id].priority for id in ids] == [16, 17, 16, 16]


async def test_the_example_of_the_documentation_does_what_it_says(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/plugins.md: two licenses, three jobs, and a restart."""
    code = re.search(
        r"^```python\n(.*?)^```$", (DOCS / "plugins.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert code
    (tmp_path / "licenses.py").write_text(code[1])
    monkeypatch.syspath_prepend(tmp_path)
    bench.sources = [Source("licenses:Licenses", {"matlab": 2})]
    await bench.boot()
    one, two, three, four = [
        await submit(bench, "license:matlab", urgency=HOLD_URGENCY) for _ in range(4)
    ]
    await bench.settle()
    assert state(bench, two) is State.SCHED
    assert state(bench, three) is State.DEPEND
    assert await refused(bench, "license:maple") == "there is no license 'maple'"
    await cancel(bench, three)
    await bench.boot()
    await bench.settle()
    assert state(bench, one) is State.SCHED
    assert state(bench, four) is State.DEPEND
    await cancel(bench, two)
    assert state(bench, four) is State.SCHED
    assert bench.plugins.stats()[0].errors == 0
