"""Dependencies, from submit to resolution: on active, inactive and purged jobs, over restarts."""

import errno
import json
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from jobmgrd.exec.port import Started
from jobmgrd.jobs.dependencies import After
from jobmgrd.jobs.job import Job
from jobmgrd.store.port import ActiveRow, Changes, StoreError
from protocol import eventlog, jobid
from protocol.job import State
from protocol.jobspec import parse
from protocol.message import ROLE_USER, Cred
from tests.services.bench import GUEST, OWNER, Bench, Peer
from tests.services.submitting import (
    cancel,
    end,
    events,
    refused,
    request,
    start,
    state,
    submit,
)
from tests.store.sample import ended

HOLD = 0
SCHEMES = ("afterstart", "afterany", "afterok", "afternotok", "afterexcept")


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A daemon without transports."""
    made = Bench()
    await made.boot()
    made.router.add(made.retention)
    yield made
    await made.store.close()


async def exception(bench: Bench, id: int) -> str:
    """The note of the dependency exception that ended a job."""
    await bench.until(lambda: id not in bench.engine.jobs)
    (context,) = [c for name, c in await events(bench, id) if name == "exception"]
    assert (context["type"], context["severity"]) == ("dependency", 0)
    return str(context["note"])


# --- active jobs ------------------------------------------------------------------------------


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


# --- inactive and purged jobs, and ids that nobody was told -------------------------------------


async def test_a_dependency_on_an_inactive_job_is_met_at_once_or_refused(bench: Bench) -> None:
    """Its record tells."""
    good, bad = await bench.ended(), await bench.ended(status=256)
    user = Cred(7, ROLE_USER)
    id = await submit(bench, f"afterok:{good}", f"afternotok:{bad}", cred=user)
    await bench.settle()
    assert state(bench, id) is State.RUN
    names = [name for name, _ in await events(bench, id)]
    assert names[:6] == ["submit", *["dependency-add"] * 2, "validate", *["dependency-remove"] * 2]
    assert await refused(bench, f"afterok:{bad}", cred=user) == (
        f"dependency: afterok: job {bad} failed or was canceled"
    )
    assert await refused(bench, f"afterexcept:{bad}", cred=user) == (
        f"dependency: afterexcept: job {bad} ended without an exception"
    )


async def ends(bench: Bench) -> dict[str, int]:
    """Jobs of all ends that a dependency tells apart."""
    found = {
        "completed": await bench.ended(),
        "failed": await bench.ended(status=256),
        "hurt": await bench.started(),
        "canceled": await bench.started(),
        "barred": await bench.submit(),
        "idle": await bench.submit(urgency=HOLD),
    }
    await bench.until(lambda: found["barred"] in bench.executor.attempts)
    bench.engine.raise_exception(bench.engine.jobs[found["hurt"]], "exec", 0, "")
    for name in ("hurt", "canceled", "barred", "idle"):
        if found[name] in bench.engine.jobs:
            await cancel(bench, found[name])
    return found


async def answered(bench: Bench, dependency: str, cred: Cred = OWNER) -> str:
    """Why a job with this dependency is refused; "" if it runs, which this ends."""
    reply = await bench.ask("job-ingest.submit", request(dependency), cred)
    if isinstance(reply, tuple):
        return str(reply[1])
    await bench.settle()
    assert state(bench, reply["id"]) is State.RUN
    await cancel(bench, reply["id"])
    return ""


async def test_a_purged_job_meets_what_it_met_before(bench: Bench) -> None:
    """Its tombstone decides, with the same words; flux-core does not find it."""
    found = await ends(bench)
    asked = [(scheme, id) for scheme in SCHEMES for id in found.values()]
    user = Cred(7, ROLE_USER)
    before = [await answered(bench, f"{scheme}:{id}", user) for scheme, id in asked]
    await bench.purge(*found.values())
    after = [await answered(bench, f"{scheme}:{id}", user) for scheme, id in asked]
    assert [text.partition(" (it was purged at ")[0] for text in after] == before
    met = {pair for pair, text in zip(asked, before, strict=True) if not text}
    by_scheme = {s: [name for name, id in found.items() if (s, id) in met] for s in SCHEMES}
    assert by_scheme == {
        "afterstart": ["completed", "failed", "hurt", "canceled"],
        "afterany": list(found),
        "afterok": ["completed"],
        "afternotok": ["failed", "hurt", "canceled", "barred"],
        "afterexcept": ["hurt", "canceled", "barred"],
    }


async def test_nobody_depends_on_the_purged_job_of_another(bench: Bench) -> None:
    """As on one that is kept."""
    id = await bench.ended()
    await bench.purge(id)
    assert await refused(bench, f"afterany:{id}", cred=GUEST) == (
        f"afterany: Permission denied for job {id}"
    )


async def test_of_a_job_purged_by_an_old_version_the_result_decides(bench: Bench) -> None:
    """Whose it was, and whether it started, is not known any more."""
    good = await bench.ended()
    gone = await bench.started()
    await cancel(bench, gone)
    await bench.until(lambda: gone not in bench.engine.jobs)
    await bench.purge(good, gone)
    kept = bench.store._tombstones  # as a store of that version has them
    kept |= {id: replace(kept[id], userid=None, fate=None) for id in (good, gone)}
    assert not await answered(bench, f"afterok:{good}", GUEST)
    text = await refused(bench, f"afterstart:{gone}")
    assert f"job {gone} was canceled and purged: whether it ever started is not known" in text


async def test_an_id_that_was_never_seen_is_refused(bench: Bench) -> None:
    """Among them the job's own, and those of jobs to come, however well predicted."""
    last = await submit(bench)
    for id in (1234, last + 1, last + 2, 2**64 - 1):
        text = f"dependency: afterok: id {id}: job not found"
        assert await refused(bench, f"afterok:{id}") == text
    assert await submit(bench) > last


async def test_a_job_that_is_not_durable_yet_is_unknown(bench: Bench) -> None:
    """Nobody was told its id, and it may never come to be."""
    bench.store.fault = StoreError(errno.ENOSPC, "no space left")
    peer = Peer()
    bench.send(peer, "job-ingest.submit", request())
    (id,) = bench.engine.jobs
    assert await refused(bench, f"afterany:{id}") == (
        f"dependency: afterany: id {id}: job not found"
    )


async def test_nobody_depends_on_the_job_of_another(bench: Bench) -> None:
    """Active or not; as in flux-core not even the owner."""
    active, inactive = await submit(bench), await bench.ended()
    for id, cred in ((active, GUEST), (inactive, GUEST), (inactive, OWNER)):
        text = f"afterany: Permission denied for job {id}"
        assert await refused(bench, f"afterany:{id}", cred=cred) == text


async def test_what_is_wrong_is_refused_by_name(bench: Bench) -> None:
    """And takes nothing in."""
    assert await refused(bench, "afterok:bar") == 'dependency: afterok: "bar" is not a valid jobid'
    assert await refused(bench, "begin-time:soon") == "Invalid begin-time=soon"
    assert await refused(bench, "moon:full") == 'dependency scheme "moon" not supported'
    assert await refused(bench, "singleton:") == "singleton jobs require a job name"
    assert not bench.engine.jobs


# --- begin-time -------------------------------------------------------------------------------


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


# --- singleton --------------------------------------------------------------------------------


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


# --- restart ----------------------------------------------------------------------------------


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


def waiting_row(
    id: int, target: int, scheme: str = "afterany", name: str = "after-finish"
) -> ActiveRow:
    """A job in DEPEND, as it is kept."""
    body = request(f"{scheme}:{target}")["jobspec"]
    log = eventlog.entry_line(1.0, "submit", {"userid": 7, "urgency": 16, "flags": 0, "version": 1})
    log += eventlog.entry_line(1.0, "dependency-add", {"description": f"{name}={target}"})
    log += eventlog.entry_line(1.0, "validate")
    return ActiveRow(id, 7, json.dumps(body).encode(), None, log)


# --- holds ------------------------------------------------------------------------------------


async def rule(bench: Bench, id: int) -> tuple[str, str]:
    """The rule that keeps an inactive job, and the words for it."""
    reply = await bench.ask("job-manager.retention", {"id": id})
    return reply["rule"], reply["why"]


def held(bench: Bench) -> int:
    """How many jobs are held; the others count for the limits."""
    return bench.store.stats().held


async def test_a_job_is_held_while_a_job_that_depends_on_it_is_active(bench: Bench) -> None:
    """From its end on, beyond the time when the dependency was met; the two retention says why."""
    target = await submit(bench)
    id = await submit(bench, f"afterok:{target}")
    await end(bench, target)
    assert held(bench) == 1
    assert await rule(bench, target) == (
        "held",
        f"held: the active job {jobid.encode(id)} depends on it",
    )
    await end(bench, id)
    assert held(bench) == 0
    assert (await rule(bench, target))[0] == "default"


async def test_a_job_that_ended_before_is_held_from_the_submit_on(bench: Bench) -> None:
    """Until the last of those that depend on it has ended."""
    target = await submit(bench)
    await end(bench, target)
    ids = [await submit(bench, f"afterok:{target}") for _ in range(4)]
    assert held(bench) == 1
    why = (await rule(bench, target))[1]
    named = ", ".join(map(jobid.encode, ids[:3]))
    assert why == f"held: 4 active jobs depend on it: {named}, ..."
    for id in ids[:3]:
        await end(bench, id)
    assert held(bench) == 1
    await end(bench, ids[3])
    assert held(bench) == 0


async def test_a_hold_begins_and_ends_in_the_write_of_the_dependent(bench: Bench) -> None:
    """So that no crash leaves a job held for ever: there is no step in between."""
    target = await submit(bench)
    await end(bench, target)
    seen: list[tuple[list[int], dict[int, int]]] = []
    write = bench.store._write

    def spy(changes: Changes) -> None:
        seen.append(([row.id for row in changes.ended], dict(changes.rules)))
        write(changes)

    bench.store._write = spy  # type: ignore[method-assign]
    id = await submit(bench, f"afterok:{target}")
    await end(bench, id)
    assert [change for change in seen if change[1]] == [([], {target: -1}), ([id], {target: 0})]


async def test_a_hold_goes_on_after_a_restart(bench: Bench) -> None:
    """For dependencies that were met before it, too."""
    target = await submit(bench)
    await end(bench, target)
    id = await submit(bench, f"afterok:{target}", urgency=HOLD)
    await bench.settle()
    await bench.boot()
    bench.router.add(bench.retention)
    assert (await rule(bench, target))[0] == "held"
    await cancel(bench, id)
    assert held(bench) == 0


async def test_a_hold_for_a_job_that_could_not_be_kept_ends_with_a_heartbeat(bench: Bench) -> None:
    """The write of another dependent's end had counted on it, and so released nothing."""
    target = await submit(bench)
    await end(bench, target)
    id = await submit(bench, f"afterok:{target}")
    body = request(f"afterok:{target}")["jobspec"]
    lost = Job(id + 1, parse(body), b"")
    bench.holds.dependents.add(lost.id, After("afterok", str(target), target))
    await end(bench, id)
    assert held(bench) == 1
    bench.dependencies.gone(lost)
    bench.store.fault = StoreError(errno.ENOSPC, "no space left")
    bench.holds.on_heartbeat()
    await bench.settle()
    assert held(bench) == 1
    bench.store.fault = None
    bench.holds.on_heartbeat()
    await bench.settle()
    assert held(bench) == 0


async def test_a_hold_that_a_crash_left_behind_ends_with_the_start(bench: Bench) -> None:
    """The same, and the crash came before the heartbeat; pins and other holds stay."""
    target, kept, pinned = [await submit(bench) for _ in range(3)]
    for job in (target, kept, pinned):
        await end(bench, job)
    id = await submit(bench, f"afterok:{target}")
    other = await submit(bench, f"afterok:{kept}", urgency=HOLD)
    await bench.ask("job-manager.pin", {"id": pinned, "reason": "evidence"})
    lost = Job(other + 1, parse(request(f"afterok:{target}")["jobspec"]), b"")
    bench.holds.dependents.add(lost.id, After("afterok", str(target), target))
    await end(bench, id)
    assert held(bench) == 3
    await bench.boot()
    bench.router.add(bench.retention)
    assert held(bench) == 2
    rules = [(await rule(bench, job))[0] for job in (target, kept, pinned)]
    assert rules == ["default", "held", "pinned"]


async def test_a_hold_that_cannot_be_released_at_the_start_ends_with_a_heartbeat(
    bench: Bench,
) -> None:
    """A full disk does not keep the daemon from starting."""
    await bench.store.write(Changes(ended=[ended(5, rule=-1)]))
    bench.store.fault = StoreError(errno.ENOSPC, "no space left")
    await bench.boot()
    assert held(bench) == 1
    bench.store.fault = None
    bench.holds.on_heartbeat()
    await bench.settle()
    assert held(bench) == 0


async def test_a_pin_and_a_hold_do_not_undo_each_other(bench: Bench) -> None:
    """The job is kept until both have ended, in any order."""
    for pin_first in (True, False):
        target = await submit(bench)
        await end(bench, target)
        id = await submit(bench, f"afterok:{target}")
        await bench.ask("job-manager.pin", {"id": target, "reason": "evidence"})
        if pin_first:
            await bench.ask("job-manager.unpin", {"id": target})
            assert held(bench) == 1
            await end(bench, id)
        else:
            await end(bench, id)
            assert held(bench) == 1
            await bench.ask("job-manager.unpin", {"id": target})
        assert held(bench) == 0
