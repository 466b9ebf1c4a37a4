"""Housekeeping: resources wait for it, and the job does not."""

import errno

import pytest

from jobmgrd.services.housekeeping import HousekeepingKill
from protocol import jobid
from tests.services.bench import GUEST
from tests.services.site_bench import HOUSEKEEPING, booted, named


async def test_resources_wait_for_housekeeping_and_the_job_does_not() -> None:
    """It is inactive, its cores are taken, and stats-get says what runs."""
    site = await booted(housekeeping=HOUSEKEEPING)
    id = await site.started()
    site.executor.finish(id)
    await site.running(id, "housekeep")
    await site.until(lambda: not site.engine.jobs)
    assert site.free_cores() == 3
    running = site.engine.housekeeping.stats["running"][jobid.encode(id)]
    assert (running["pending"], running["allocated"]) == ("0", "0")
    assert running["t_start"] > 0
    site.executor.finish(id)
    assert site.free_cores() == 4
    assert site.engine.housekeeping.stats["running"] == {}
    assert named(await site.events(id), "finish") == ["finish", "release", "free", "clean"]


async def test_who_waits_gets_what_housekeeping_frees() -> None:
    """The next job starts as soon as there is room for it."""
    site = await booted(housekeeping=HOUSEKEEPING)
    first = await site.started(cores_per_task=4)
    second = await site.submit(cores_per_task=4)
    site.executor.finish(first)
    await site.running(first, "housekeep")
    await site.settle()
    assert second not in site.executor.attempts
    site.executor.finish(first)
    await site.running(second, "true")


async def test_a_head_waits_for_housekeeping_and_is_not_overtaken() -> None:
    """The scheduler knows that these resources come back: no small job keeps them from a large."""
    site = await booted(housekeeping=HOUSEKEEPING)
    first = await site.started(cores_per_task=3)
    site.executor.finish(first)
    await site.running(first, "housekeep")
    await site.until(lambda: first not in site.engine.jobs)
    large, small = await site.submit(cores_per_task=4), await site.submit()
    await site.settle()
    assert not {large, small} & site.executor.attempts.keys()
    site.executor.finish(first)
    await site.running(large, "true")


async def test_failed_housekeeping_drains_the_nodes() -> None:
    """Resources are free, but not for jobs."""
    site = await booted(housekeeping=HOUSEKEEPING)
    id = await site.started()
    site.executor.finish(id)
    await site.running(id, "housekeep")
    await site.until(lambda: not site.engine.jobs)
    site.executor.finish(id, 1 << 8)
    await site.until(lambda: site.free_cores() == 4 or site.reasons())
    await site.settle()
    assert site.reasons() == [f"housekeeping failed for job {jobid.encode(id)}"]
    assert site.engine.housekeeping.stats["running"] == {}


@pytest.mark.parametrize("lost", [False, True])
async def test_housekeeping_goes_on_over_a_restart(lost: bool) -> None:
    """The resources of a job that is over stay taken; what was lost is run again."""
    site = await booted(housekeeping=HOUSEKEEPING)
    id = await site.started()
    site.executor.finish(id)
    await site.running(id, "housekeep")
    await site.until(lambda: not site.engine.jobs)
    if lost:
        site.executor.attempts.clear()
    await site.restart()
    assert site.free_cores() == 3
    await site.running(id, "housekeep")
    site.executor.finish(id)
    assert site.free_cores() == 4
    await site.restart()
    assert site.free_cores() == 4
    assert id not in site.executor.attempts


async def test_housekeeping_is_ended_by_hand() -> None:
    """That of a job, of ranks, or all; housekeeping.c has no timeout, nor is there one here."""
    site = await booted(housekeeping=HOUSEKEEPING)
    site.router.add(HousekeepingKill(site.engine.housekeeping))
    id = await site.started()
    site.executor.finish(id)
    await site.running(id, "housekeep")
    topic = "job-manager.housekeeping-kill"
    for others in ({"jobid": id + 1}, {"ranks": "1-3"}, {"jobid": id, "ranks": "7"}):
        assert await site.ask(topic, {"signum": 15} | others) == {}
    assert site.executor.signals == []
    for its in ({}, {"jobid": id}, {"ranks": "0-3"}):
        assert await site.ask(topic, {"signum": 15} | its) == {}
    assert site.executor.signals == [(id, 15)] * 3
    refused = await site.ask(topic, {"signum": 0})
    assert refused == (errno.EINVAL, "Invalid signal number")
    assert (await site.ask(topic, {"signum": 15, "ranks": "x"}))[0] == errno.EPROTO
    assert (await site.ask(topic, {"signum": 15}, GUEST))[0] == errno.EPERM
