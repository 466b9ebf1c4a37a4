"""Epilogs: resources wait for them, the result of the job does not."""

from jobmgrd.exec.port import Output
from protocol import jobid
from protocol.job import State
from tests.services.site_bench import EPILOG, PROLOG, booted, named


async def test_resources_wait_for_the_epilog() -> None:
    """RFC 21: no free before epilog-finish; output of the command is no output of the job."""
    site = await booted(epilog=EPILOG)
    id = await site.started()
    site.executor.finish(id)
    await site.running(id, "epilog")
    assert site.engine.jobs[id].state is State.CLEANUP
    assert site.free_cores() == 3
    site.executor.tell(Output(id, 0, "stdout", b"cleaning"))
    site.executor.finish(id)
    await site.until(lambda: not site.engine.jobs)
    assert site.free_cores() == 4
    assert named(await site.events(id), "finish") == [
        *("finish", "epilog-start", "epilog-finish", "release", "free", "clean")
    ]
    assert await site.store.output(id) == b""


async def test_a_failed_epilog_does_not_change_how_the_job_ended() -> None:
    """An exception of severity 2, and a drain that comes before the resources are free."""
    site = await booted(epilog=EPILOG)
    id = await site.started()
    site.executor.finish(id)
    await site.running(id, "epilog")
    site.executor.finish(id, 1 << 8)
    await site.until(lambda: not site.engine.jobs)
    exception = dict(await site.events(id))["exception"]
    assert (exception["type"], exception["severity"]) == ("epilog", 2)
    assert (await site.store.recent(1))[0].status == 0
    assert site.reasons() == [f"epilog failed for job {jobid.encode(id)}"]
    assert (await site.store.open()).meta["drains"]


async def test_an_epilog_runs_after_a_restart() -> None:
    """One under way goes on; one that was lost is run again."""
    site = await booted(epilog=EPILOG)
    id = await site.started()
    site.executor.finish(id)
    await site.running(id, "epilog")
    await site.restart()
    await site.running(id, "epilog")
    site.executor.attempts.clear()
    await site.restart()
    await site.running(id, "epilog")
    site.executor.finish(id)
    await site.until(lambda: not site.engine.jobs)
    assert site.reasons() == []


async def test_a_job_that_never_ran_needs_no_epilog() -> None:
    """One that was canceled while it waited."""
    site = await booted(prolog=PROLOG, epilog=EPILOG)
    id = await site.submit(urgency=0)
    site.engine.raise_exception(site.engine.jobs[id], "cancel", 0, "")
    await site.until(lambda: not site.engine.jobs)
    assert not site.executor.attempts
