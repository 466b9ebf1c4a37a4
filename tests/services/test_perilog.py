"""Prolog, epilog and housekeeping: what waits for them, and what their ends lead to."""

import asyncio
import errno
import signal
from collections.abc import Mapping
from typing import Any

import pytest

from jobmgrd.exec.port import Attempt, Failed, Fate, Notify, Output
from jobmgrd.jobs.site_command import SiteCommand
from jobmgrd.services.housekeeping import HousekeepingKill
from jobmgrd.services.resource_drain import ResourceDrain
from jobmgrd.store.port import ActiveRow, InactiveRow, Recovered
from protocol import eventlog, jobid
from protocol.job import State
from tests.services.bench import GUEST, USERID, Bench, Executor

PROLOG = SiteCommand(("prolog", "-v"), 1800.0, 60.0, cancel_on_exception=True)
EPILOG = SiteCommand(("epilog",), 0.0, 60.0)
HOUSEKEEPING = ("housekeep",)
ENVIRON = {"SITE": "ours"}


class Outliving(Executor):
    """An executor whose attempts outlive the daemon, as the supervisor's do."""

    def resume(self, attempt: Attempt, elapsed: float | None) -> Fate:  # noqa: ARG002
        """See the port."""
        return Fate.RUNNING if attempt.id in self.attempts else Fate.LOST

    def cancel(self, id: int) -> None:
        """Note it only."""
        self.signals.append((id, signal.SIGTERM))


class Site(Bench):
    """The bench with commands of the site, and drains."""

    prolog: SiteCommand | None = None
    epilog: SiteCommand | None = None
    housekeeping: tuple[str, ...] = ()
    kept: Mapping[int, Attempt] = {}

    def _make_executor(self, notify: Notify) -> Executor:
        self.executor = Outliving(notify)
        self.executor.attempts.update(self.kept)
        return self.executor

    def prepare(self, recovered: Recovered) -> None:
        """Configure, before jobs are resumed."""
        self.drains = ResourceDrain(self.engine, self.store, recovered.meta, lambda: 1.0)
        self.engine.site.connect(ENVIRON, self.drains.drain_ranks, self.spawn)
        self.engine.perilogs.configure(self.prolog, self.epilog)
        self.engine.housekeeping.command = self.housekeeping

    async def restart(self) -> None:
        """The daemon is killed; what runs goes on."""
        await self.settle()
        self.kept = dict(self.executor.attempts)
        await self.boot()

    async def running(self, id: int, *words: str) -> Attempt:
        """The attempt of this command, once it is under way."""
        await self.until(lambda: self._runs(id, words))
        return self.executor.attempts[id]

    def _runs(self, id: int, words: tuple[str, ...]) -> bool:
        attempt = self.executor.attempts.get(id)
        return attempt is not None and attempt.command == words

    async def events(self, id: int) -> list[tuple[str, Mapping[str, Any]]]:
        """What happened to a job, durably: names and contexts."""
        await self.settle()
        state = await self.store.open()
        rows: list[ActiveRow | InactiveRow] = [*state.active, *await self.store.recent(99)]
        (log,) = (row.eventlog for row in rows if row.id == id)
        found = [(e.name, e.context or {}) for e in eventlog.decode(log)]
        return [entry for entry in found if entry[0] not in ("validate", "depend", "priority")]

    def free_cores(self) -> int:
        """How many cores are free."""
        return self.engine.allocator.scheduler.free.cores

    def reasons(self) -> list[str]:
        """Why nodes are drained."""
        return [drain.reason or "" for drain in self.drains.drained.values()]


def named(entries: list[tuple[str, Mapping[str, Any]]], start: str) -> list[str]:
    """The names of events, from one of this name on."""
    names = [name for name, _ in entries]
    return names[names.index(start) :]


async def booted(
    prolog: SiteCommand | None = None,
    epilog: SiteCommand | None = None,
    housekeeping: tuple[str, ...] = (),
) -> Site:
    """A daemon without transports, with these commands."""
    made = Site()
    made.prolog, made.epilog, made.housekeeping = prolog, epilog, housekeeping
    await made.boot()
    return made


# --- prolog -------------------------------------------------------------------------------------


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


# --- epilog -------------------------------------------------------------------------------------


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


# --- housekeeping -------------------------------------------------------------------------------


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


async def test_a_job_without_commands_of_the_site_has_no_events_of_them() -> None:
    """And resources go back in the tick in which it ends."""
    site = await booted()
    id = await site.ended()
    assert named(await site.events(id), "alloc") == [
        *("alloc", "start", "finish", "release", "free", "clean")
    ]
