"""job-manager.wait and list: wait(2) for jobs."""

import errno

import pytest

from jobmgrd.services import wait as module
from jobmgrd.services.list_ import List
from jobmgrd.services.wait import Wait
from jobmgrd.store.port import StoreError
from protocol.job import URGENCY_HOLD, Flag, State
from protocol.jobspec import from_command
from tests.services.bench import GUEST, USERID, Bench, Peer

ANY = 2**64 - 1
WAITABLE = int(Flag.WAITABLE)
NO_MORE = (errno.ECHILD, "there are no more waitable jobs")
INVALID = "invalid job id, or job may be inactive and not waitable"


@pytest.fixture
async def bench() -> Bench:
    """A daemon without transports that serves both."""
    made = Bench()
    await made.boot()
    wait = Wait(made.engine, made.store, made.router)
    made.router.add(wait)
    made.router.add(List(made.engine, wait.zombies))
    return made


async def ended(bench: Bench, status: int = 0) -> int:
    """A waitable job that has ended; its id."""
    id = await bench.started(flags=WAITABLE)
    bench.executor.finish(id, status)
    await bench.until(lambda: id not in bench.engine.jobs)
    return id


async def test_a_job_that_has_ended_is_told_once(bench: Bench) -> None:
    """A zombie until then; the second who asks comes too late."""
    id = await ended(bench)
    reply = await bench.ask("job-manager.wait", {"id": id})
    assert reply == {"id": id, "success": True, "errstr": ""}
    errnum, text = await bench.ask("job-manager.wait", {"id": id})
    assert errnum == errno.ECHILD
    assert text.startswith(f"{INVALID}: it is inactive")


async def test_a_waiter_is_answered_when_the_job_ends(bench: Bench) -> None:
    """And no second one is let in meanwhile."""
    id = await bench.started(flags=WAITABLE)
    peer = Peer()
    tag = bench.send(peer, "job-manager.wait", {"id": id})
    second = await bench.ask("job-manager.wait", {"id": id})
    assert second == (errno.ECHILD, "job id already has a waiter")
    assert not peer.of(tag)
    bench.executor.finish(id)
    await bench.until(lambda: peer.of(tag))
    assert peer.values(tag) == [{"id": id, "success": True, "errstr": ""}]
    assert not (await bench.ask("job-manager.list", {"max_entries": 0}))["jobs"]


@pytest.mark.parametrize("any_id", [ANY, -1])
async def test_any_job_is_the_next_that_ends(bench: Bench, any_id: int) -> None:
    """Zombies first, the oldest end first; then whichever ends; then there are no more."""
    first, second = await ended(bench), await ended(bench)
    third = await bench.started(flags=WAITABLE)
    for id in (first, second):
        assert (await bench.ask("job-manager.wait", {"id": any_id}))["id"] == id
    peer = Peer()
    tag = bench.send(peer, "job-manager.wait", {"id": any_id})
    assert await bench.ask("job-manager.wait", {"id": any_id}) == NO_MORE
    bench.executor.finish(third)
    await bench.until(lambda: peer.of(tag))
    assert peer.values(tag)[0]["id"] == third
    assert await bench.ask("job-manager.wait", {"id": any_id}) == NO_MORE


async def test_a_waiter_for_one_job_leaves_none_for_any(bench: Bench) -> None:
    """More waiters than jobs: the last who asked for any is refused."""
    id = await bench.started(flags=WAITABLE)
    peer = Peer()
    whichever = bench.send(peer, "job-manager.wait", {"id": ANY})
    bench.send(peer, "job-manager.wait", {"id": id})
    await bench.until(lambda: peer.of(whichever))
    assert peer.end(whichever) == NO_MORE


@pytest.mark.parametrize(
    ("status", "errstr"),
    [
        (3 << 8, "task(s) exited with exit code 3"),
        (139 << 8, "task(s) Segmentation fault"),
        (9, "job shell Killed"),
    ],
)
async def test_a_failure_is_told_in_words(bench: Bench, status: int, errstr: str) -> None:
    """The text is flux_job_wait_get_status's."""
    id = await ended(bench, status)
    reply = await bench.ask("job-manager.wait", {"id": id})
    assert reply == {"id": id, "success": False, "errstr": errstr}


async def test_what_ended_a_job_first_is_told(bench: Bench) -> None:
    """An exception that led it to CLEANUP, but not one that came after its finish."""
    held = await bench.submit(flags=WAITABLE, urgency=URGENCY_HOLD)
    bench.engine.raise_exception(bench.engine.jobs[held], "cancel", 0, "enough")
    reply = await bench.ask("job-manager.wait", {"id": held})
    assert reply["errstr"] == "Fatal exception type=cancel enough"
    assert reply["success"] is False


async def test_an_answer_that_does_not_arrive_is_kept(bench: Bench) -> None:
    """A waiter that died silently takes no result with it."""
    id = await bench.started(flags=WAITABLE)
    dead = Peer(bound=0)
    bench.send(dead, "job-manager.wait", {"id": id})
    bench.executor.finish(id)
    await bench.until(lambda: id not in bench.engine.jobs)
    await bench.settle()
    assert (await bench.ask("job-manager.wait", {"id": id}))["id"] == id


async def test_a_client_that_leaves_waits_no_more(bench: Bench) -> None:
    """Its place is free for the next, and what it waited for is kept."""
    id = await bench.started(flags=WAITABLE)
    leaver, stayer = Peer(), Peer()
    bench.send(leaver, "job-manager.wait", {"id": id})
    bench.router.disconnect(leaver)
    tag = bench.send(stayer, "job-manager.wait", {"id": id})
    bench.executor.finish(id)
    await bench.until(lambda: stayer.of(tag))
    assert not leaver.received


async def test_zombies_are_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is forgotten."""
    monkeypatch.setattr(module, "ZOMBIES_MAX", 2)
    ids = [await ended(bench) for _ in range(3)]
    listed = (await bench.ask("job-manager.list", {"max_entries": 0}))["jobs"]
    assert [job["id"] for job in listed] == ids[1:]


async def test_guests_may_not_submit_waitable_jobs(bench: Bench) -> None:
    """Or their zombies could grow without bound."""
    request = {"jobspec": from_command(["true"]), "flags": WAITABLE}
    refused = await bench.ask("job-ingest.submit", request, GUEST)
    text = "only the instance owner can submit with FLUX_JOB_WAITABLE"
    assert refused == (errno.EINVAL, text)


async def test_the_list_has_waiting_jobs_first_and_zombies_last(bench: Bench) -> None:
    """By priority, then id; keys are Flux's. Zombies are beyond the number that is asked for."""
    zombie, running = await ended(bench), await bench.started()
    held, low = (
        await bench.submit(urgency=URGENCY_HOLD),
        await bench.submit(urgency=1, cores_per_task=4),
    )
    bench.engine.post(bench.engine.jobs[held], "memo", {"why": "later"})
    jobs = (await bench.ask("job-manager.list", {"max_entries": 0}))["jobs"]
    assert [job["id"] for job in jobs] == [low, held, running, zombie]
    assert jobs[1].pop("annotations") == {"user": {"why": "later"}}
    assert {*jobs[1]} == {"id", "userid", "urgency", "priority", "t_submit", "state"}
    assert (jobs[1]["userid"], jobs[1]["state"]) == (USERID, int(State.SCHED))
    jobs = (await bench.ask("job-manager.list", {"max_entries": 1}))["jobs"]
    assert [job["id"] for job in jobs] == [low, zombie]
    refused = await bench.ask("job-manager.list", {"max_entries": -1})
    assert refused[0] == errno.EPROTO


async def test_nobody_waits_for_a_job_that_could_not_be_kept(bench: Bench) -> None:
    """As many wait for any job as there are waitable ones; the last is told if one is lost."""
    bench.store.fault = StoreError(errno.ENOSPC, "disk full")
    submitting, first, last = Peer(), Peer(), Peer()
    spec = from_command(["true"], attributes={"exec.test.run_duration": "1s"})
    for _ in range(2):
        bench.send(submitting, "job-ingest.submit", {"jobspec": spec, "flags": WAITABLE})
    (lost, _) = bench.engine.jobs
    early = bench.send(first, "job-manager.wait", {"id": lost})
    late = bench.send(last, "job-manager.wait", {"id": ANY})
    await bench.until(lambda: len(submitting.received) == 2)
    await bench.until(lambda: first.received)
    assert first.end(early) == (errno.ECHILD, INVALID)
    await bench.until(lambda: last.received)
    assert last.end(late) == NO_MORE
