"""Prologs: tasks wait for them, and what becomes of a job whose prolog goes wrong."""

import asyncio
import signal

import pytest

from jobmgrd.exec.port import Failed
from jobmgrd.jobs.site_command import SiteCommand
from protocol import jobid
from tests.services.bench import USERID
from tests.services.site_bench import ENVIRON, EPILOG, PROLOG, booted, named


async def test_tasks_wait_for_the_prolog() -> None:
    """RFC 21: no start request before prolog-finish; and the command is told of its job."""
    site = await booted(prolog=PROLOG)
    id = await site.submit()
    attempt = await site.running(id, "prolog", "-v")
    assert attempt.environment == ENVIRON | {
        "FLUX_JOB_ID": jobid.encode(id),
        "FLUX_JOB_USERID": str(USERID),
        "FLUX_JOB_RANKS": "0",
    }
    assert named(await site.events(id), "alloc") == ["alloc", "prolog-start"]
    site.executor.finish(id)
    await site.running(id, "true")
    finish = (await site.events(id))[-1]
    description = {"description": "job-manager.prolog"}
    assert finish == ("prolog-finish", description | {"status": 0})
    site.executor.finish(id)
    await site.until(lambda: not site.engine.jobs)
    entries = await site.events(id)
    assert entries[2] == ("prolog-start", description)
    assert named(entries, "finish") == ["finish", "release", "free", "clean"]


@pytest.mark.parametrize(
    ("status", "what"), [(3 << 8, "exited with code=3"), (9, "killed by signal 9")]
)
async def test_a_failed_prolog_ends_the_job_and_drains_its_nodes(status: int, what: str) -> None:
    """No task is started; the epilog undoes what the prolog did; then resources are freed."""
    site = await booted(prolog=PROLOG, epilog=EPILOG)
    id = await site.submit()
    await site.running(id, "prolog", "-v")
    site.executor.finish(id, status)
    await site.running(id, "epilog")
    site.executor.finish(id)
    await site.until(lambda: not site.engine.jobs)
    entries = await site.events(id)
    assert named(entries, "exception") == [
        *("exception", "prolog-finish", "epilog-start", "epilog-finish", "free", "clean")
    ]
    exception = dict(entries)["exception"]
    note = f"prolog {what} on host (rank 0)"
    assert exception == {"type": "prolog", "severity": 0, "note": note}
    assert site.executor.signals == []
    assert site.reasons() == [f"prolog failed for job {jobid.encode(id)}"]


async def test_tasks_behind_a_prolog_are_ended_by_an_exception() -> None:
    """As those of a job without one, over a restart, too."""
    site = await booted(prolog=PROLOG)
    for restarts in (False, True):
        id = await site.submit()
        await site.running(id, "prolog", "-v")
        site.executor.finish(id)
        await site.running(id, "true")
        if restarts:
            await site.restart()
        site.engine.raise_exception(site.engine.jobs[id], "cancel", 0, "")
        assert site.executor.signals == [(id, signal.SIGTERM)]
        site.executor.signals.clear()
        site.executor.finish(id, signal.SIGTERM)
        await site.until(lambda: not site.engine.jobs)


async def test_an_epilog_is_judged_by_itself_after_a_failed_prolog() -> None:
    """What became of the prolog does not excuse it."""
    site = await booted(prolog=PROLOG, epilog=EPILOG)
    id = await site.submit()
    await site.running(id, "prolog", "-v")
    site.executor.finish(id, 1 << 8)
    await site.running(id, "epilog")
    site.executor.finish(id, 2 << 8)
    await site.until(lambda: not site.engine.jobs)
    raised = [context["type"] for name, context in await site.events(id) if name == "exception"]
    assert raised == ["prolog", "epilog"]
    assert not site.engine.perilogs._timers
    assert not site.engine.perilogs._ending


async def test_a_prolog_that_cannot_run_fails() -> None:
    """A command that is not found is no success."""
    site = await booted(prolog=PROLOG)
    id = await site.submit()
    await site.running(id, "prolog", "-v")
    site.executor.attempts.pop(id)
    site.executor.tell(Failed(id, "command not found: prolog"))
    await site.until(lambda: not site.engine.jobs)
    exception = dict(await site.events(id))["exception"]
    assert exception["note"] == "prolog did not run (command not found: prolog) on host (rank 0)"


async def test_a_canceled_prolog_is_nobodys_fault() -> None:
    """It gets SIGTERM; nothing is drained, and no task starts."""
    site = await booted(prolog=PROLOG)
    id = await site.submit()
    await site.running(id, "prolog", "-v")
    site.engine.raise_exception(site.engine.jobs[id], "cancel", 0, "")
    assert site.executor.signals == [(id, signal.SIGTERM)]
    site.executor.finish(id, signal.SIGTERM)
    await site.until(lambda: not site.engine.jobs)
    entries = await site.events(id)
    assert named(entries, "prolog-start") == [
        *("prolog-start", "exception", "prolog-finish", "free", "clean")
    ]
    assert site.reasons() == []


async def test_a_prolog_that_is_configured_no_more_has_its_time_to_end() -> None:
    """A reload without it, and then a cancel, are no reason to kill it and blame its node."""
    site = await booted(prolog=SiteCommand(PROLOG.command, 0.0, 60.0, cancel_on_exception=True))
    id = await site.submit()
    await site.running(id, "prolog", "-v")
    site.engine.perilogs.configure(None, None)
    site.engine.raise_exception(site.engine.jobs[id], "cancel", 0, "")
    await site.settle()
    assert site.executor.signals == [(id, signal.SIGTERM)]
    site.executor.finish(id, signal.SIGTERM)
    await site.until(lambda: not site.engine.jobs)
    assert site.reasons() == []


async def test_a_job_that_is_canceled_at_once_runs_no_prolog() -> None:
    """Before it is durable that there is one, nothing is started."""
    site = await booted(prolog=PROLOG)
    id = await site.submit()
    await site.until(lambda: site.engine.jobs[id].perilog)
    site.engine.raise_exception(site.engine.jobs[id], "cancel", 0, "")
    await site.until(lambda: not site.engine.jobs)
    assert not site.executor.attempts
    assert named(await site.events(id), "prolog-finish") == ["prolog-finish", "free", "clean"]
    assert site.reasons() == []


async def test_a_prolog_that_takes_too_long_is_ended() -> None:
    """SIGTERM at the timeout, SIGKILL after the kill timeout; the node is to blame."""
    hasty = SiteCommand(PROLOG.command, 0.01, 0.01, cancel_on_exception=True)
    site = await booted(prolog=hasty)
    id = await site.submit()
    await site.running(id, "prolog", "-v")
    async with asyncio.timeout(5.0):
        while len(site.executor.signals) < 2:  # noqa: ASYNC110 - a timer, no event
            await asyncio.sleep(0)
    assert site.executor.signals == [(id, signal.SIGTERM), (id, signal.SIGKILL)]
    site.executor.finish(id, signal.SIGKILL)
    await site.until(lambda: not site.engine.jobs)
    exception = dict(await site.events(id))["exception"]
    assert exception["note"] == "prolog timed out on host (rank 0)"
    assert site.reasons() == [f"prolog timed out for job {jobid.encode(id)}"]


async def test_a_prolog_goes_on_over_a_restart() -> None:
    """It is found again, and not run twice."""
    site = await booted(prolog=PROLOG)
    id = await site.submit()
    await site.running(id, "prolog", "-v")
    await site.restart()
    await site.running(id, "prolog", "-v")
    site.executor.finish(id)
    await site.running(id, "true")
    assert [name for name, _ in await site.events(id)].count("prolog-start") == 1


async def test_a_prolog_that_was_lost_fails() -> None:
    """Its processes ended with whoever watched them."""
    site = await booted(prolog=PROLOG)
    id = await site.submit()
    await site.running(id, "prolog", "-v")
    site.executor.attempts.clear()
    await site.restart()
    await site.until(lambda: not site.engine.jobs)
    assert "lost contact" in dict(await site.events(id))["exception"]["note"]


async def test_a_job_whose_prolog_was_canceled_starts_no_task_after_a_restart() -> None:
    """Nor is it said that its processes were lost: it had none."""
    site = await booted(prolog=PROLOG, epilog=EPILOG)
    id = await site.submit()
    await site.running(id, "prolog", "-v")
    site.engine.raise_exception(site.engine.jobs[id], "cancel", 0, "")
    site.executor.finish(id, signal.SIGTERM)
    await site.running(id, "epilog")
    site.executor.attempts.clear()
    await site.restart()
    await site.running(id, "epilog")
    await site.restart()
    site.executor.finish(id)
    await site.until(lambda: not site.engine.jobs)
    assert named(await site.events(id), "prolog-finish") == [
        *("prolog-finish", "epilog-start", "epilog-finish", "free", "clean")
    ]


async def test_a_stop_while_a_prolog_runs_leaves_the_epilog_to_the_next_daemon() -> None:
    """The stop cancels the job; what the prolog did is still undone."""
    site = await booted(prolog=PROLOG, epilog=EPILOG)
    id = await site.submit()
    await site.running(id, "prolog", "-v")
    stop = asyncio.create_task(site.engine.stop("stopped", leave=False, within=30.0))
    await site.until(lambda: site.executor.signals)
    site.executor.finish(id, signal.SIGTERM)
    await stop
    await site.restart()
    await site.running(id, "epilog")
    site.executor.finish(id)
    await site.until(lambda: not site.engine.jobs)
    assert named(await site.events(id), "exception") == [
        *("exception", "prolog-finish", "epilog-start", "epilog-finish", "free", "clean")
    ]


async def test_the_time_limit_counts_from_the_end_of_the_prolog() -> None:
    """And R, and what is listed, say so."""
    site = await booted(prolog=PROLOG)
    id = await site.submit(duration=60.0)
    await site.running(id, "prolog", "-v")
    for _ in range(100):
        site.tick()
    site.executor.finish(id)
    await site.running(id, "true")
    job = site.engine.jobs[id]
    end = job.t_ready + 60.0
    assert end > job.t_run + 60.05
    assert (await site.events(id))[-1] == ("resource-update", {"expiration": end})
    assert (await site.listed(("expiration",)))[id]["expiration"] == end
    unlimited = await site.submit()
    await site.running(unlimited, "prolog", "-v")
    site.executor.finish(unlimited)
    await site.running(unlimited, "true")
    assert (await site.events(unlimited))[-1][0] == "prolog-finish"


async def test_a_job_without_commands_of_the_site_has_no_events_of_them() -> None:
    """And resources go back in the tick in which it ends."""
    site = await booted()
    id = await site.ended()
    assert named(await site.events(id), "alloc") == [
        *("alloc", "start", "finish", "release", "free", "clean")
    ]
