"""job-manager.raiseall and killall: whom they are about, and what they answer."""

import errno
import signal
from typing import Any

import pytest

from jobmgrd.services.kill import Kill
from jobmgrd.services.raise_ import Raise
from protocol.job import URGENCY_HOLD, State
from protocol.message import ROLE_USER, Cred
from tests.services.bench import GUEST, OWNER, USERID, Bench

ANYBODY = 2**32 - 1
ITS_USER = Cred(USERID, ROLE_USER)
CANCEL = {"severity": 0, "type": "cancel", "note": "enough", "states": int(State.ACTIVE)}


@pytest.fixture
async def bench() -> Bench:
    """A daemon without transports that serves both."""
    made = Bench()
    await made.boot()
    made.router.add(Raise(made.engine, made.store))
    made.router.add(Kill(made.engine, made.store))
    return made


def raiseall(userid: int = ANYBODY, *, dry_run: bool = False, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """A request to cancel all jobs, or what it is changed to."""
    return {"dry_run": dry_run, "userid": userid} | CANCEL | changes


async def test_all_active_jobs_are_cancelled_at_once(bench: Bench) -> None:
    """Those that run end, those that wait never start; the answer is durable."""
    started = await bench.started()
    held = await bench.submit(urgency=URGENCY_HOLD)
    reply = await bench.ask("job-manager.raiseall", raiseall())
    assert reply == {"count": 2, "errors": 0}
    assert all(b'"enough"' in row.eventlog for row in (await bench.store.open()).active)
    await bench.until(lambda: not bench.engine.jobs)
    assert {row.id for row in await bench.store.recent(9)} == {started, held}


async def test_a_dry_run_counts_and_changes_nothing(bench: Bench) -> None:
    """Flux's way to ask before."""
    id = await bench.submit(urgency=URGENCY_HOLD)
    reply = await bench.ask("job-manager.raiseall", raiseall(dry_run=True))
    assert reply == {"count": 1, "errors": 0}
    assert bench.engine.jobs[id].state is State.SCHED


@pytest.mark.parametrize(
    ("states", "count"), [(State.RUN, 1), (State.SCHED, 2), (State.INACTIVE, 0), (State.ACTIVE, 3)]
)
async def test_states_choose_the_jobs(bench: Bench, states: State, count: int) -> None:
    """A bit each; that of inactive jobs matches none."""
    await bench.started()
    await bench.ended()
    for _ in range(2):
        await bench.submit(urgency=URGENCY_HOLD)
    request = raiseall(dry_run=True, states=int(states))
    assert (await bench.ask("job-manager.raiseall", request))["count"] == count


async def test_userids_choose_the_jobs(bench: Bench) -> None:
    """A user's, or everybody's; C clients write the wildcard as -1 too."""
    await bench.submit(urgency=URGENCY_HOLD)
    counts = [
        (await bench.ask("job-manager.raiseall", raiseall(userid, dry_run=True)))["count"]
        for userid in (USERID, USERID + 1, ANYBODY, -1)
    ]
    assert counts == [1, 0, 1, 1]


async def test_jobs_whose_submit_is_under_way_are_cancelled_too(bench: Bench) -> None:
    """Requests of one client are taken in their order, although answers come later."""
    bench.spawn(_submit(bench))
    await bench.until(lambda: bench.engine.jobs)
    assert not any(job.committed for job in bench.engine.jobs.values())
    assert await bench.ask("job-manager.raiseall", raiseall()) == {"count": 1, "errors": 0}


async def _submit(bench: Bench) -> None:
    await bench.submit()


@pytest.mark.parametrize("topic", ["raiseall", "killall"])
async def test_guests_must_name_themselves(bench: Bench, topic: str) -> None:
    """Neither others nor all; and their own are the only ones that are meant."""
    await bench.started()
    for userid in (ANYBODY, USERID):
        request = raiseall(userid, dry_run=True, signum=15)
        errnum, text = await bench.ask(f"job-manager.{topic}", request, GUEST)
        assert errnum == errno.EPERM
        assert text.startswith("guests can only ")
    request = raiseall(USERID, dry_run=True, signum=15)
    assert (await bench.ask(f"job-manager.{topic}", request, ITS_USER))["count"] == 1


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"severity": 8}, "invalid exception severity"),
        ({"severity": -1}, "invalid exception severity"),
        ({"type": "two words"}, "invalid exception type"),
        ({"type": ""}, "invalid exception type"),
        ({"states": "all"}, "expected int, got str: key 'states'"),
    ],
)
async def test_a_wrong_raiseall_changes_nothing(
    bench: Bench, changes: dict[str, Any], text: str
) -> None:
    """Refused with EPROTO before any job is touched."""
    id = await bench.submit(urgency=URGENCY_HOLD)
    before = bench.engine.jobs[id].eventlog
    answer = await bench.ask("job-manager.raiseall", raiseall(**changes))
    assert answer == (errno.EPROTO, text)
    assert bench.engine.jobs[id].eventlog == before


async def test_killall_signals_running_jobs_only(bench: Bench) -> None:
    """The executor is told once for each; a dry run tells it nothing."""
    id = await bench.started()
    await bench.submit(urgency=URGENCY_HOLD)
    request = {"userid": ANYBODY, "signum": int(signal.SIGUSR1)}
    for dry_run in (True, False):
        reply = await bench.ask("job-manager.killall", request | {"dry_run": dry_run}, OWNER)
        assert reply == {"count": 1, "errors": 0}
    assert bench.executor.signals == [(id, signal.SIGUSR1)]
    wrong = {"dry_run": False, "userid": ANYBODY, "signum": signal.NSIG}
    answer = await bench.ask("job-manager.killall", wrong)
    assert answer == (errno.EINVAL, "Invalid signal number")


@pytest.mark.parametrize(("given", "told"), [(9, 137 << 8), (3 << 8, 3 << 8), (0, 0)])
async def test_an_exception_may_say_how_the_job_is_to_have_ended(
    bench: Bench, given: int, told: int
) -> None:
    """As a shell says it of the task that failed, whatever comes of the others (job-exec.c)."""
    id = await bench.started()
    lost = {"id": id, "type": "exec", "severity": 0, "note": "lost a task", "wait_status": given}
    await bench.ask("job-manager.raise", lost)
    assert f'"wait_status":{given}'.encode() in bench.engine.jobs[id].eventlog
    bench.executor.finish(id, 15)
    await bench.until(lambda: id not in bench.engine.jobs)
    assert (await bench.listed(("waitstatus",)))[id]["waitstatus"] == told


async def test_only_what_ends_a_job_says_how_it_ended(bench: Bench) -> None:
    """The first fatal exception; one that is not a wait status is refused."""
    id = await bench.started()
    request = {"id": id, "type": "exec", "note": ""}
    await bench.ask("job-manager.raise", request | {"severity": 1, "wait_status": 9})
    wrong = await bench.ask("job-manager.raise", request | {"severity": 0, "wait_status": 1 << 16})
    assert wrong == (errno.EPROTO, "invalid exception wait_status")
    await bench.ask("job-manager.raise", request | {"severity": 0, "wait_status": -1})
    bench.executor.finish(id, 15)
    await bench.until(lambda: id not in bench.engine.jobs)
    assert (await bench.listed(("waitstatus",)))[id]["waitstatus"] == 15
